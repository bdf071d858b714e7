//! What an account makes of a region is what the SDK makes of it.

use aws_sdk_sqs::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};
use fanfare::Account;

/// Of each partition one, and more where others begin alike.
const REGIONS: [(&str, &str); 9] = [
    ("eu-central-1", "aws"),
    ("us-east-1", "aws"),
    ("cn-north-1", "aws-cn"),
    ("eusc-de-east-1", "aws-eusc"),
    ("us-gov-west-1", "aws-us-gov"),
    ("us-iso-east-1", "aws-iso"),
    ("us-isob-east-1", "aws-iso-b"),
    ("eu-isoe-west-1", "aws-iso-e"),
    ("us-isof-south-1", "aws-iso-f"),
];

#[tokio::test]
async fn queues_are_where_the_sdk_calls() {
    for (region, partition) in REGIONS {
        let params = Params::builder().region(region).build().unwrap();
        let resolver = DefaultResolver::new();
        let endpoint = ResolveEndpoint::resolve_endpoint(&resolver, &params)
            .await
            .unwrap();
        let account = Account::in_region(region, "123456789012").unwrap();
        // Of two partitions the hosts end alike, which doesn't tell them apart.
        assert_eq!(account.partition(), partition, "{region}");
        assert_eq!(
            account.queue_url("shop-billing"),
            format!("{}/123456789012/shop-billing", endpoint.url()),
            "{region}"
        );
    }
}
