//! The OpenAPI document: what is committed is what the code says, and it says of every operation who may.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use serde_json::Value;

#[test]
fn the_document_is_the_one_that_was_looked_at() {
    let document = serde_json::to_value(recoup_server::openapi()).unwrap();
    insta::assert_json_snapshot!(document);
}

#[test]
fn every_operation_says_who_may_and_that_it_may_answer_with_a_problem() {
    let document = serde_json::to_value(recoup_server::openapi()).unwrap();
    let scopes = ["read", "run", "write", "admin"];
    let mut names = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let what = format!("{method} {path}");
            let security =
                operation["security"].as_array().unwrap_or_else(|| panic!("{what} says nothing about who may"));
            for way in security.iter().flat_map(|way| way.as_object().unwrap()) {
                let asked = way.1.as_array().unwrap();
                assert!(asked.len() == 1 && scopes.contains(&asked[0].as_str().unwrap()), "{what}: {way:?}");
            }
            let problem = &operation["responses"]["default"]["content"]["application/problem+json"]["schema"]["$ref"];
            assert_eq!(problem, "#/components/schemas/Problem", "{what}");
            assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{what}");
            names.push(operation["operationId"].as_str().unwrap().to_owned());
        }
    }
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count, "two operations of one name");
}

#[test]
fn every_reference_of_the_document_leads_somewhere() {
    fn walk(whole: &Value, value: &Value) {
        match value {
            Value::Object(map) => {
                if let Some(Value::String(to)) = map.get("$ref") {
                    assert!(whole.pointer(to.trim_start_matches('#')).is_some(), "{to}");
                }
                map.values().for_each(|value| walk(whole, value));
            }
            Value::Array(list) => list.iter().for_each(|value| walk(whole, value)),
            _ => {}
        }
    }
    let document = serde_json::to_value(recoup_server::openapi()).unwrap();
    walk(&document, &document);
}
