//! What an account makes of a region is what the SDK makes of it.

use aws_sdk_sqs::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};
use fanfare::Account;

/// One of each partition.
const REGIONS: [&str; 9] = [
    "eu-central-1",
    "us-east-1",
    "cn-north-1",
    "eusc-de-east-1",
    "us-gov-west-1",
    "us-iso-east-1",
    "us-isob-east-1",
    "eu-isoe-west-1",
    "us-isof-south-1",
];

#[tokio::test]
async fn queues_are_where_the_sdk_calls() {
    for region in REGIONS {
        let params = Params::builder().region(region).build().unwrap();
        let resolver = DefaultResolver::new();
        let endpoint = ResolveEndpoint::resolve_endpoint(&resolver, &params)
            .await
            .unwrap();
        let account = Account::in_region(region, "123456789012").unwrap();
        assert_eq!(
            account.queue_url("shop-billing"),
            format!("{}/123456789012/shop-billing", endpoint.url()),
            "{region}"
        );
    }
}
