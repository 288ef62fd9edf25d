//! Products (06 §1).

use super::context::{Ctx, Where};
use super::resource::{Attr, Def, Draft, Filter, Kind, Rel, Resource, Rule, Stance, attributes};
use super::route::{Route, delete, get, patch, post};
use super::validation::{Change, Validation};
use super::{crud, list, nested, tokens};
use crate::auth::{Bearer, Letters, letters::*};
use crate::http::error::Result;
use crate::model::{Column as _, DistributionStrategy, License, Machine, Policy, Product, Role, Token, User};
use crate::store::Db;
use uuid::Uuid;

pub(super) const ROUTES: &[Route] = &[
    get("products", list::index::<Product>).can(&["product.read"]).allow(STAFF.or(E).or(U).or(L)),
    post("products", crud::create::<Product>).can(&["product.create"]).allow(A.or(D).or(E)),
    get("products/{id}", crud::show::<Product>).can(&["product.read"]).allow(STAFF.or(E).or(P).or(U).or(L)),
    patch("products/{id}", crud::update::<Product>).can(&["product.update"]).allow(A.or(D).or(E).or(P)),
    delete("products/{id}", crud::destroy::<Product>).can(&["product.delete"]).allow(A.or(D).or(E)),
    get("products/{id}/policies", nested::index::<Product, Policy>).can(&["policy.read"]).allow(STAFF.or(E).or(P)),
    get("products/{id}/policies/{child}", nested::show::<Product, Policy>)
        .can(&["policy.read"])
        .allow(STAFF.or(E).or(P)),
    get("products/{id}/licenses", nested::index::<Product, License>).can(&["license.read"]).allow(STAFF.or(E).or(P)),
    get("products/{id}/licenses/{child+}", nested::show::<Product, License>)
        .can(&["license.read"])
        .allow(STAFF.or(E).or(P)),
    get("products/{id}/machines", nested::index::<Product, Machine>).can(&["machine.read"]).allow(STAFF.or(E).or(P)),
    get("products/{id}/machines/{child+}", nested::show::<Product, Machine>)
        .can(&["machine.read"])
        .allow(STAFF.or(E).or(P)),
    get("products/{id}/users", nested::index::<Product, User>).can(&["user.read"]).allow(STAFF.or(E).or(P)),
    get("products/{id}/users/{child+}", nested::show::<Product, User>).can(&["user.read"]).allow(STAFF.or(E).or(P)),
    get("products/{id}/tokens", nested::index::<Product, Token>).can(&["token.read"]).allow(STAFF.or(E).or(P)),
    get("products/{id}/tokens/{child}", nested::show::<Product, Token>).can(&["token.read"]).allow(STAFF.or(E).or(P)),
    post("products/{id}/tokens", tokens::generate_for::<Product>)
        .can(&["product.tokens.generate"])
        .allow(A.or(D).or(E)),
];

const ATTRIBUTES: &[Attr<Product>] = attributes![Product:
    name "name" (Kind::String) .required() .rules(&[Rule::MaxLength(255)]);
    code "code" (Kind::String) .rules(&[Rule::Reserved, Rule::MaxLength(255)]);
    distribution_strategy "distributionStrategy" (Kind::Enum(DistributionStrategy::NAMES)) .nullable()
        .rules(&[Rule::OneOf("unsupported distribution strategy")]);
    url "url" (Kind::String) .nullable() .rules(&[Rule::MaxLength(255)]);
    platforms "platforms" (Kind::Strings) .nullable() .blank();
    permissions "permissions" (Kind::Permissions) .create(A.or(D).or(E)) .update(A.or(D).or(E));
    metadata "metadata" (Kind::Metadata);
];

const RELATIONSHIPS: &[Rel<Product>] = &[
    Rel::many("policies", "policies", "policies"),
    Rel::many("licenses", "licenses", "licenses"),
    Rel::many("machines", "machines", "machines"),
    Rel::many("users", "users", "users"),
    Rel::many("tokens", "tokens", "tokens"),
    Rel::many("platforms", "platforms", "platforms"),
    Rel::many("channels", "channels", "channels"),
    Rel::many("releases", "releases", "releases"),
    Rel::many("artifacts", "artifacts", "artifacts"),
];

const FILTERS: &[Filter] = &[];

static DEF: Def<Product> = Def {
    type_: "products",
    types: &["product", "products"],
    name: "product",
    role: "product",
    path: "products",
    event: "product",
    code: "PRODUCT",
    alias: Some("code"),
    client_id: NONE,
    attributes: ATTRIBUTES,
    relationships: RELATIONSHIPS,
    filters: FILTERS,
    order: &[],
    bare: false,
    more: super::resource::no_more,
    schemas: super::resource::Schemas::new(),
};

impl Resource for Product {
    fn def() -> &'static Def<Self> {
        &DEF
    }

    fn fresh(cx: &Ctx, id: Uuid, environment: Option<Uuid>) -> Self {
        let mut product = Product::new(id, cx.account.id, environment, cx.now);
        product.distribution_strategy = Some(DistributionStrategy::Licensed);
        product.permissions = Role::Product.default_permissions();
        product
    }

    /// 06 §1.1
    fn scope(cx: &Ctx, filter: &mut Where) {
        let open = DistributionStrategy::Open.as_str();
        match &cx.subject.bearer {
            Bearer::Product(product) => filter.equals("products.id", product.id),
            Bearer::License(bearer) => {
                let sql = format!(
                    "(products.distribution_strategy = '{open}' OR (products.id = ? AND
                      coalesce(products.distribution_strategy, 'LICENSED') = 'LICENSED'))"
                );
                filter.and(sql, [bearer.license.product_id.to_val()]);
            }
            bearer => {
                if let Some(user) = bearer.end_user() {
                    let sql = format!(
                        "(products.distribution_strategy = '{open}' OR products.id IN
                          (SELECT product_id FROM licenses WHERE {}))",
                        super::licenses::OF_USER
                    );
                    filter.and(sql, [user.id.to_val(), user.id.to_val()]);
                } else if matches!(bearer, Bearer::Anonymous) {
                    filter.never();
                }
            }
        }
    }

    fn letters(&self, cx: &Ctx, _db: &Db<'_>) -> Result<Letters> {
        Ok(match &cx.subject.bearer {
            Bearer::Product(product) if product.id != self.id => NONE,
            bearer if closed_to(self, bearer) => NONE,
            bearer => bearer.letters(),
        })
    }

    fn stance_of_page(page: &[Self], cx: &Ctx) -> Stance {
        let bearer = &cx.subject.bearer;
        if page.iter().any(|product| closed_to(product, bearer)) { NONE.into() } else { bearer.letters().into() }
    }

    /// On create `null` is as good as absent (06 §0).
    fn prepare(draft: &mut Draft<Self>, _cx: &Ctx, _db: &Db<'_>) -> Result<()> {
        if !draft.sent("distribution_strategy") {
            draft.record.distribution_strategy = Some(DistributionStrategy::Licensed);
        }
        Ok(())
    }

    fn validate(change: &Change<'_, Self>, v: &mut Validation) -> Result<()> {
        let product = change.record;
        change.attribute(v, "name");
        change.attribute(v, "code");
        super::entitlements::check_code(change, v, product.code.as_deref())?;
        change.attribute(v, "distribution_strategy");
        if let Some(url) = &product.url {
            check_url(v, url);
        }
        change.attribute(v, "url");
        change.attribute(v, "metadata");
        super::resource::check_permission_set(v, product.permissions, Role::Product);
        Ok(())
    }
}

/// A closed product is not for users (06 §1.1).
fn closed_to(product: &Product, bearer: &Bearer) -> bool {
    bearer.end_user().is_some() && product.distribution_strategy == Some(DistributionStrategy::Closed)
}

impl nested::Within<Product> for Policy {
    fn within(parent: &Product, filter: &mut Where) {
        filter.equals("policies.product_id", parent.id);
    }
}

impl nested::Within<Product> for License {
    const FILTERS: &'static [&'static str] = &["policy", "user", "suspended"];

    fn within(parent: &Product, filter: &mut Where) {
        filter.equals("licenses.product_id", parent.id);
    }
}

impl nested::Within<Product> for Machine {
    const FILTERS: &'static [&'static str] = &["fingerprint", "license", "user"];

    fn within(parent: &Product, filter: &mut Where) {
        filter.equals("machines.product_id", parent.id);
    }
}

/// Those that own or are attached to a license of the product (06 §1.4).
impl nested::Within<Product> for User {
    const FILTERS: &'static [&'static str] = &["roles"];
    const ROUTE_ONLY: bool = true;

    fn within(parent: &Product, filter: &mut Where) {
        super::users::of_product(parent.id, filter);
    }
}

/// Hosts that are no product's home (06 §1.2).
const RESERVED_HOSTS: &[&str] = &[
    "localhost",
    "keygen.sh",
    "api.keygen.sh",
    "app.keygen.sh",
    "dist.keygen.sh",
    "dashboard.keygen.sh",
    "portal.keygen.sh",
    "status.keygen.sh",
    "stats.keygen.sh",
];

/// 06 §1.2, `url`
fn check_url(v: &mut Validation, url: &str) {
    let fine = |c: char| c.is_ascii_graphic() && !"\"<>\\^`{|}".contains(c);
    if !url.chars().all(fine) {
        v.attribute("url", "INVALID", "must be a valid URL");
        return;
    }
    let (scheme, rest) = match url.split_once(':') {
        Some((scheme, rest)) if scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c)) => {
            (scheme, rest)
        }
        _ => ("", url),
    };
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        v.attribute("url", "PROTOCOL_INVALID", "must be a valid URL using one of the following protocols: https, http");
    }
    let authority = rest.strip_prefix("//").unwrap_or("").split(['/', '?', '#']).next().unwrap_or("");
    let host = authority.rsplit('@').next().unwrap_or("").split(':').next().unwrap_or("").to_ascii_lowercase();
    let last = host.rsplit_once('.').map_or("", |(_, last)| last);
    let public = last.len() >= 2 && last.bytes().all(|b| b.is_ascii_alphabetic());
    if !public || RESERVED_HOSTS.contains(&host.as_str()) {
        v.attribute("url", "HOST_INVALID", "must be a URL with a valid host");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // 06 §1.2
    #[test]
    fn urls_are_public_web_addresses() {
        for (url, codes) in [
            ("https://example.com/x?y#z", &[][..]),
            ("http://user@shop.example.co.uk:8080", &[]),
            ("ftp://example.com", &["URL_PROTOCOL_INVALID"]),
            ("https://localhost", &["URL_HOST_INVALID"]),
            ("https://api.keygen.sh", &["URL_HOST_INVALID"]),
            ("https://10.0.0.1", &["URL_HOST_INVALID"]),
            ("/srv/readme.txt", &["URL_PROTOCOL_INVALID", "URL_HOST_INVALID"]),
            ("file:///srv/readme.txt", &["URL_PROTOCOL_INVALID", "URL_HOST_INVALID"]),
            ("https://exa mple.com", &["URL_INVALID"]),
        ] {
            let mut v = Validation::new("products", "PRODUCT");
            check_url(&mut v, url);
            let got: Vec<String> = match v.finish() {
                Ok(()) => Vec::new(),
                Err(e) => e.errors.iter().map(|e| e.code.as_deref().unwrap().to_owned()).collect(),
            };
            assert_eq!(got, codes, "{url}");
        }
    }
}
