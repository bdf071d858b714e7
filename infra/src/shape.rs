//! How a table is made, against its description.

use aws_sdk_dynamodb::types::{
    BillingMode, GlobalSecondaryIndexDescription, IndexStatus, KeySchemaElement, KeyType, ProjectionType,
    TableDescription,
};
use fanfare::table::{Key, Table};

use crate::tables::resource;
use crate::{Difference, Resource};

/// How settings are called in differences.
pub(crate) const EXPIRY: &str = "TimeToLive";
pub(crate) const RECOVERY: &str = "PointInTimeRecovery";
const ON_DEMAND: &str = "PAY_PER_REQUEST";

/// What is other than described, but for expiry and recovery, which DynamoDB tells elsewhere.
pub(crate) fn differences(table: &Table, there: &TableDescription) -> Vec<Difference> {
    let resource = &resource(table);
    let hindrance = "keys are for ever; give the application's table another name, or move this one's items \
                     elsewhere, delete it, and run this again";
    let keys = key_difference(table, there).map(|difference| difference.hindered(hindrance));
    let mut differences = Vec::from_iter(keys);
    if !is_on_demand(there) {
        let is = Some("PROVISIONED".to_owned());
        differences.push(Difference::new(resource, "BillingMode", is, ON_DEMAND));
    }
    for wanted in &table.indexes {
        let projection = match wanted.keys_only {
            true => ProjectionType::KeysOnly,
            false => ProjectionType::All,
        };
        let should_be = holding(names(&wanted.key, wanted.sort.as_ref()), Some(&projection));
        let is = index(there, &wanted.name).map(|index| {
            let projection = index
                .projection()
                .and_then(|projection| projection.projection_type());
            holding(self::keys(there, index.key_schema()), projection)
        });
        differences.extend(index_difference(resource, &wanted.name, is, should_be));
    }
    if let Some(wanted) = table.stream {
        let is = stream(there);
        if is.as_deref() != Some(wanted.name()) {
            let other = is.is_some();
            let difference = Difference::new(resource, "StreamViewType", is, wanted.name());
            differences.push(match other {
                true => difference.hindered(
                    "a stream shows one thing for ever; when its readers are done, switch it off by hand, and run \
                     this again",
                ),
                false => difference,
            });
        }
    }
    differences
}

/// Whether it has other keys: it is another table then.
pub(crate) fn key_difference(table: &Table, there: &TableDescription) -> Option<Difference> {
    let keys = keys(there, there.key_schema());
    let should_be = names(&table.key, table.sort.as_ref());
    (keys != should_be).then(|| Difference::new(&resource(table), "KeySchema", Some(keys), should_be))
}

/// Whether it is about expiry or recovery.
pub(crate) fn is_set_later(difference: &Difference) -> bool {
    [EXPIRY, RECOVERY].contains(&&*difference.setting)
}

fn index_difference(
    resource: &Resource,
    name: &str,
    is: Option<String>,
    should_be: String,
) -> Option<Difference> {
    if is.as_ref() == Some(&should_be) {
        return None;
    }
    let other = is.is_some();
    let difference = Difference::new(resource, format!("index {name}"), is, should_be);
    Some(match other {
        true => difference.hindered("an index is for ever; delete it by hand, and run this again"),
        false => difference,
    })
}

/// Whether it is billed by request.
pub(crate) fn is_on_demand(there: &TableDescription) -> bool {
    let billing = there.billing_mode_summary();
    billing.and_then(|billing| billing.billing_mode()) == Some(&BillingMode::PayPerRequest)
}

/// What its stream shows, if it has one.
pub(crate) fn stream(there: &TableDescription) -> Option<String> {
    let stream = there
        .stream_specification()
        .filter(|stream| stream.stream_enabled())?;
    Some(stream.stream_view_type()?.as_str().to_owned())
}

/// The index of this name, unless it is being deleted.
pub(crate) fn index<'a>(
    there: &'a TableDescription,
    name: &str,
) -> Option<&'a GlobalSecondaryIndexDescription> {
    let mut indexes = there.global_secondary_indexes().iter();
    indexes.find(|index| {
        index.index_name() == Some(name) && index.index_status() != Some(&IndexStatus::Deleting)
    })
}

fn holding(keys: String, projection: Option<&ProjectionType>) -> String {
    match projection {
        Some(ProjectionType::All) => keys,
        Some(ProjectionType::KeysOnly) => format!("{keys}, keys alone"),
        Some(other) => format!("{keys}, {other}"),
        None => format!("{keys}, without a projection"),
    }
}

fn names(key: &Key, sort: Option<&Key>) -> String {
    let keys = [Some(key), sort].into_iter().flatten();
    let names: Vec<_> = keys
        .map(|key| format!("{} ({})", key.name, key.kind.name()))
        .collect();
    names.join(", ")
}

/// A key's attributes with their types, the partition key first.
fn keys(there: &TableDescription, schema: &[KeySchemaElement]) -> String {
    let mut schema: Vec<_> = schema.iter().collect();
    schema.sort_by_key(|element| *element.key_type() != KeyType::Hash);
    let name = |element: &KeySchemaElement| {
        let name = element.attribute_name();
        let attributes = there.attribute_definitions().iter();
        let found = attributes
            .into_iter()
            .find(|attribute| attribute.attribute_name() == name);
        let kind = found.map_or("?", |attribute| attribute.attribute_type().as_str());
        format!("{name} ({kind})")
    };
    let names: Vec<_> = schema.into_iter().map(name).collect();
    names.join(", ")
}
