//! DynamoDB tables.

use fanfare::table::{Index, Key, Table};
use serde_json::{Value, json};

use super::document::Resource;
use super::intrinsic::reference;
use super::parameters::tags;
use super::{Build, ids};

pub(super) fn add(build: &mut Build<'_>) {
    let template = build.template;
    for table in &template.tables {
        let properties = properties(table);
        build.out.resources.add(
            ids::table(&template.topology.app, &table.name),
            Resource::new("AWS::DynamoDB::Table", properties).stateful(),
        );
    }
}

fn properties(table: &Table) -> Value {
    let attributes = table.attributes();
    let attributes: Vec<_> = attributes
        .iter()
        .map(|key| json!({"AttributeName": key.name, "AttributeType": key.kind.name()}))
        .collect();
    let recovery = match table.point_in_time_recovery {
        true => true.into(),
        false => reference("PointInTimeRecovery"),
    };
    let mut properties = json!({
        "TableName": table.name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": attributes,
        "KeySchema": schema(&table.key, table.sort.as_ref()),
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": recovery},
        "DeletionProtectionEnabled": reference("DeletionProtection"),
        "Tags": tags(),
    });
    let Some(members) = properties.as_object_mut() else {
        return properties;
    };
    if let Some(attribute) = &table.expiry {
        let expiry = json!({"AttributeName": attribute, "Enabled": true});
        members.insert("TimeToLiveSpecification".to_owned(), expiry);
    }
    if let Some(stream) = table.stream {
        let stream = json!({"StreamViewType": stream.name()});
        members.insert("StreamSpecification".to_owned(), stream);
    }
    if !table.indexes.is_empty() {
        let indexes = table.indexes.iter().map(index).collect();
        members.insert("GlobalSecondaryIndexes".to_owned(), indexes);
    }
    properties
}

fn index(index: &Index) -> Value {
    let holds = match index.keys_only {
        true => "KEYS_ONLY",
        false => "ALL",
    };
    json!({
        "IndexName": index.name,
        "KeySchema": schema(&index.key, index.sort.as_ref()),
        "Projection": {"ProjectionType": holds},
    })
}

fn schema(key: &Key, sort: Option<&Key>) -> Value {
    let keys = [Some((key, "HASH")), sort.map(|sort| (sort, "RANGE"))];
    let keys = keys.into_iter().flatten();
    keys.map(|(key, kind)| json!({"AttributeName": key.name, "KeyType": kind}))
        .collect()
}
