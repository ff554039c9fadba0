//! What the OpenAPI document says beyond the routes: its title, how to sign in, and that any operation may answer with a
//! problem document.

use utoipa::openapi::path::{ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    ContentBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, Required, ResponseBuilder,
};
use utoipa::{PartialSchema, ToSchema};

use crate::problem::{CONTENT_TYPE, Document};

/// The document before the routes add to it.
pub fn start() -> OpenApi {
    let license = LicenseBuilder::new().name("MIT OR Apache-2.0").identifier(Some("MIT OR Apache-2.0")).build();
    let info = InfoBuilder::new()
        .title("Recoup")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Backs up SQLite databases, directories, files and settings as one restore point, proves that the backup \
             restores, and puts it back. Every answer that is not a success is a problem document (RFC 9457) with a \
             stable code. The roles after a security scheme say what scope a request needs: read, run, write or admin.",
        ))
        .license(Some(license))
        .build();
    OpenApiBuilder::new().info(info).build()
}

/// Adds what every operation has in common.
pub fn finish(document: &mut OpenApi) {
    let components = document.components.get_or_insert_default();
    components.schemas.insert("Problem".into(), Document::schema());
    let mut referred = Vec::new();
    Document::schemas(&mut referred);
    components.schemas.extend(referred);
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("rcp_…").build();
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    let cookie =
        ApiKeyValue::with_description("__Host-session", "POST /api/v1/session sets it; recoup-session on plain http");
    components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    for item in document.paths.paths.values_mut() {
        if let Some(operation) = item.post.as_mut().filter(|post| post.responses.responses.contains_key("202")) {
            let key = ParameterBuilder::new()
                .name("Idempotency-Key")
                .parameter_in(ParameterIn::Header)
                .required(Required::False)
                .description(Some(
                    "The same request with the same key is done once; for 24 hours its first answer is given again",
                ))
                .schema(Some(ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(255))))
                .build();
            operation.parameters.get_or_insert_default().push(RefOr::T(key));
        }
        let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch];
        for operation in operations.into_iter().flatten() {
            // Two files may both have a `list`; a client that is generated needs one name for each.
            let tag = operation.tags.iter().flatten().next().cloned().unwrap_or_default();
            operation.operation_id = operation.operation_id.take().map(|name| format!("{tag}_{name}"));
            let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
            let answer = ResponseBuilder::new().description("A problem").content(CONTENT_TYPE, problem).build();
            operation.responses.responses.entry("default".into()).or_insert(RefOr::T(answer));
        }
    }
}
