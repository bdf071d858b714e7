// What the examples of the documentation publish to: an AWS that takes everything.

#[allow(dead_code, unreachable_pub)]
pub fn config() -> aws_types::SdkConfig {
    use aws_sdk_sns::config::{Credentials, SharedCredentialsProvider};
    use aws_smithy_runtime_api::client::http::{HttpConnectorFuture, SharedHttpConnector, http_client_fn};
    use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
    use aws_smithy_types::body::SdkBody;

    #[derive(Debug)]
    struct Takes;
    impl aws_smithy_runtime_api::client::http::HttpConnector for Takes {
        fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
            let answer = "<PublishBatchResponse><PublishBatchResult><Successful><member><Id>0</Id></member>\
                          </Successful></PublishBatchResult></PublishBatchResponse>";
            HttpConnectorFuture::ready(Ok(HttpResponse::new(
                200.try_into().unwrap(),
                SdkBody::from(answer),
            )))
        }
    }
    aws_types::SdkConfig::builder()
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new("id", "secret", None, None, "doc")))
        .http_client(http_client_fn(|_, _| SharedHttpConnector::new(Takes)))
        .build()
}

#[allow(dead_code, unreachable_pub)]
pub fn publisher() -> fanfare_publisher::Publisher {
    let account = fanfare::Account::new("aws", "eu-central-1", "123456789012").unwrap();
    let topology = fanfare::App::new("shop").topology().unwrap();
    fanfare_publisher::Publisher::new(&config(), &account, &topology)
}
