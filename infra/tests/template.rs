//! What a template is refused for, and what an encryption key and a filter make of it.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::Duration;

use fanfare::table::{Key, Stream, Table};
use fanfare::topology::{FunctionSettings, Hosting, Service, TableAction};
use fanfare::{App, Router};
use fanfare_infra::Template;
use serde_json::{Value, json};

fn store() -> Table {
    fanfare_store::table("shop-fanfare")
}

fn app() -> App {
    App::new("shop")
        .store("shop-fanfare")
        .consumer(Router::new("payment"))
}

fn template(app: &App) -> Template {
    Template::new(&app.topology().unwrap()).table(store())
}

fn refused(template: &Template) -> String {
    template.yaml().unwrap_err().to_string()
}

#[test]
fn a_table_that_nobody_has_described() {
    let app = app().consumer(Router::new("books").table("shop-books", [TableAction::Put]));
    assert_eq!(
        refused(&template(&app)),
        "consumer `books` uses table `shop-books`, which isn't described: give its description to the application"
    );
    let books = Table::new("shop-books", Key::text("account"));
    template(&app).table(books).yaml().unwrap();
}

#[test]
fn a_relay_without_a_store_or_without_its_stream() {
    let function = Hosting::Function(FunctionSettings::default());
    let homeless = App::new("shop").relay(function.clone());
    let homeless = Template::new(&homeless.topology().unwrap());
    assert_eq!(
        refused(&homeless),
        "there is a relay and no store: name the store's table by `App::store`"
    );
    let app = app().relay(function);
    assert_eq!(
        refused(&template(&app)),
        "the relay is a function, and table `shop-fanfare` has no stream: add `.stream(Stream::NewImage)` to it"
    );
    let streamed = Template::new(&app.topology().unwrap()).table(store().stream(Stream::NewImage));
    streamed.yaml().unwrap();
}

#[test]
fn a_service_of_its_own_is_reached_only_where_the_deployment_says() {
    let json = |service: Service| {
        let app = app().service(service);
        template(&app).json().unwrap()
    };
    let api = json(Service::new("web-api").port(9000));
    let container = &api["Resources"]["WebApiTask"]["Properties"]["ContainerDefinitions"][0];
    assert_eq!(
        container["Command"],
        json!(["web-api", "--listen", "0.0.0.0:9000"])
    );
    assert_eq!(container["PortMappings"], json!([{"ContainerPort": 9000}]));
    assert_eq!(
        container["HealthCheck"]["Command"],
        json!(["CMD", "/app", "healthy", "9000"])
    );
    let service = &api["Resources"]["WebApiService"]["Properties"];
    assert_eq!(service["DesiredCount"], json!({"Ref": "WebApiTasks"}));
    assert_eq!(
        service["NetworkConfiguration"]["AwsvpcConfiguration"]["SecurityGroups"],
        json!({"Fn::If": [
            "HasWebApiSecurityGroup",
            [{"Ref": "SecurityGroup"}, {"Ref": "WebApiSecurityGroup"}],
            [{"Ref": "SecurityGroup"}],
        ]})
    );
    let balancer = &service["LoadBalancers"]["Fn::If"];
    assert_eq!(
        (&balancer[0], &balancer[2]),
        (&json!("HasWebApiTargetGroup"), &json!({"Ref": "AWS::NoValue"}))
    );
    for optional in ["WebApiSecurityGroup", "WebApiTargetGroup"] {
        assert_eq!(api["Parameters"][optional]["Default"], "", "{optional}");
    }

    let silent = json(Service::new("web-api"));
    let container = &silent["Resources"]["WebApiTask"]["Properties"]["ContainerDefinitions"][0];
    assert_eq!(container["Command"], json!(["web-api"]));
    assert_eq!(
        (&container["PortMappings"], &container["HealthCheck"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(silent["Parameters"]["WebApiTargetGroup"], Value::Null);

    let unknown = app().service(Service::new("api").table("shop-orders", [TableAction::Put]));
    assert!(refused(&template(&unknown)).starts_with("service `api` uses table `shop-orders`, which isn't"));
}

#[test]
fn whoever_needs_queues_and_topics_is_told_where_they_are() {
    let app = app()
        .relay(Hosting::default())
        .consumer(Router::new("email").function(FunctionSettings::default().timeout(Duration::from_secs(5))));
    let json = template(&app).json().unwrap();
    let told = |task: &str| {
        let container = &json["Resources"][task]["Properties"]["ContainerDefinitions"][0];
        let variables = container["Environment"].as_array().unwrap().iter();
        let of = |name: &str| {
            let mut of = variables.clone().filter(|variable| variable["Name"] == name);
            of.next().unwrap()["Value"].clone()
        };
        assert_eq!(of("SHOP_ACCOUNT"), json!({"Ref": "AWS::AccountId"}));
        let text = of("SHOP_RESOURCES")["Fn::Sub"].as_str().unwrap().to_owned();
        serde_json::from_str::<Value>(&text).unwrap()
    };
    let own = json!({"shop-payment": "${PaymentQueue}", "shop-payment-dlq": "${PaymentDeadLetters}"});
    assert_eq!(told("PaymentTask"), json!({"queues": own, "topics": {}}));
    assert_eq!(told("RelayTask"), json!({"queues": {}, "topics": {}}));
    let function = &json["Resources"]["EmailFunction"]["Properties"]["Environment"]["Variables"];
    assert_eq!(
        function["SHOP_RESOURCES"],
        Value::Null,
        "its events say where they come from"
    );
}

#[test]
fn two_things_of_one_name() {
    let app = app().consumer(Router::new("a-1")).consumer(Router::new("a1"));
    assert!(refused(&template(&app)).starts_with("two things would be `A1"));
    let relay = app_with_relay().consumer(Router::new("relay"));
    assert!(refused(&template(&relay)).starts_with("two things would be `Relay"));
}

fn app_with_relay() -> App {
    app().relay(Hosting::default())
}

#[test]
fn more_resources_than_cloudformation_takes() {
    let of = |consumers: usize| {
        let names = (0..consumers).map(|number| format!("consumer-{number}"));
        let app = names.fold(app(), |app, name| app.consumer(Router::new(name)));
        template(&app).yaml()
    };
    let most = (1..100).find(|consumers| of(*consumers).is_err()).unwrap();
    let error = of(most).unwrap_err().to_string();
    assert!(error.contains(", and CloudFormation takes "), "{error}");
}

#[test]
fn by_a_key_of_the_account_s_own_messages_are_encrypted_and_roles_may_use_it() {
    let with = |key: &str| template(&app().encryption_key(key)).json().unwrap();
    let queue =
        |template: &Value| template["Resources"]["PaymentQueue"]["Properties"]["KmsMasterKeyId"].clone();
    let uses = |template: &Value| {
        let statements = &template["Resources"]["PaymentRole"]["Properties"]["Policies"][0]["PolicyDocument"];
        let statements = statements["Statement"].as_array().unwrap().clone();
        let mut on_key = statements
            .into_iter()
            .filter(|statement| statement["Action"][0] == "kms:Decrypt");
        on_key.next().unwrap()
    };
    let alias = with("alias/shop");
    assert_eq!(queue(&alias), "alias/shop");
    assert_eq!(
        uses(&alias)["Condition"],
        json!({"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/shop"}})
    );
    let arn = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd";
    assert_eq!(uses(&with(arn))["Resource"], json!([arn]));
    let id = uses(&with("1234abcd"));
    let named = id["Resource"][0]["Fn::Sub"].as_str().unwrap().to_owned();
    assert!(named.ends_with(":key/1234abcd"), "{named}");
}
