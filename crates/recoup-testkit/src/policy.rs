//! A policy of IAM as a rule for [`crate::faulty`]: what its statements do not allow is answered with 403, as S3 does it.
//! Understood is what our documentation uses: `Allow`, actions and resources, one `*` at the end.

use serde_json::Value;

use crate::faulty::{Asked, Fault};

/// What a request does, in the words of IAM, and to what.
fn action(asked: &Asked) -> (&'static str, String) {
    let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
    let has = |name: &str| query.split('&').any(|pair| pair.split('=').next() == Some(name));
    let resource = format!("arn:aws:s3:::{}", path.trim_matches('/').replace("%20", " "));
    let in_bucket = path.trim_matches('/').contains('/');
    let action = match (asked.method.as_str(), in_bucket) {
        ("GET", false) if has("uploads") => "s3:ListBucketMultipartUploads",
        ("GET", false) => "s3:ListBucket",
        ("GET", true) if has("uploadId") => "s3:ListMultipartUploadParts",
        ("GET" | "HEAD", true) => "s3:GetObject",
        ("DELETE", true) if has("uploadId") => "s3:AbortMultipartUpload",
        ("DELETE", true) => "s3:DeleteObject",
        // Beginning and finishing an upload in parts, too.
        ("PUT" | "POST", true) => "s3:PutObject",
        _ => "something else",
    };
    (action, resource)
}

fn strings(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect(),
    }
}

/// Whether a policy allows a request.
pub fn allows(policy: &Value, asked: &Asked) -> bool {
    let (action, resource) = action(asked);
    policy["Statement"].as_array().unwrap().iter().any(|statement| {
        assert_eq!(statement["Effect"], "Allow", "only Allow is understood");
        let matches = |pattern: &str| match pattern.strip_suffix('*') {
            Some(beginning) => resource.starts_with(beginning),
            None => resource == pattern,
        };
        strings(&statement["Action"]).contains(&action)
            && strings(&statement["Resource"]).iter().any(|pattern| matches(pattern))
    })
}

/// Passes what it allows.
pub fn rule(policy: Value) -> impl FnMut(&Asked) -> Fault + Send + 'static {
    move |asked| match allows(&policy, asked) {
        true => Fault::Pass,
        false => Fault::Answer(403, String::new(), "<Error><Code>AccessDenied</Code></Error>".into()),
    }
}
