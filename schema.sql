-- The whole schema of keygen-lite, read top to bottom: what a fresh database file gets.
--
-- Conventions (docs/ARCHITECTURE.md, "Storage"): ids are lower-case dashed UUIDs; times are milliseconds since the Unix epoch;
-- booleans are 0/1; JSON is TEXT. A NULL environment_id is the global environment (05 §5). Every foreign key says what the
-- deletion of its target does (D8). Lists are read newest first by (created_at, id), within an environment: hence the
-- `_list` indexes.

-- Tenants (05 §1). account_id = id, so that every table has the column.
CREATE TABLE accounts (
  id TEXT NOT NULL PRIMARY KEY,
  account_id TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  name TEXT,
  slug TEXT NOT NULL UNIQUE,
  api_version TEXT NOT NULL,
  protected INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Private keys of accounts (02 §2); id = the account's. Sealed when a master key is configured.
CREATE TABLE account_keys (
  id TEXT NOT NULL PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  secret_key TEXT NOT NULL,
  ed25519_private_key TEXT NOT NULL,
  rsa2048_private_key TEXT NOT NULL,
  ecdsa_private_key TEXT NOT NULL
) STRICT;
CREATE INDEX account_keys_account ON account_keys (account_id);

-- Settings of accounts (05 §2); value is JSON.
CREATE TABLE account_settings (
  id TEXT NOT NULL PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX account_settings_key ON account_settings (account_id, key);
CREATE INDEX account_settings_list ON account_settings (account_id, created_at, id);

-- Environments (05 §3).
CREATE TABLE environments (
  id TEXT NOT NULL PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  name TEXT NOT NULL,
  code TEXT NOT NULL,
  isolation_strategy TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX environments_code ON environments (account_id, lower(code));
CREATE INDEX environments_list ON environments (account_id, created_at, id);

-- Groups (06 §3).
CREATE TABLE groups (
  id TEXT NOT NULL PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  environment_id TEXT REFERENCES environments (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  max_users INTEGER,
  max_licenses INTEGER,
  max_machines INTEGER,
  metadata TEXT NOT NULL DEFAULT '{}'
) STRICT;
CREATE INDEX groups_list ON groups (environment_id, account_id, created_at, id);
CREATE INDEX groups_account ON groups (account_id, created_at, id);

-- Users (04).
CREATE TABLE users (
  id TEXT NOT NULL PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  environment_id TEXT REFERENCES environments (id) ON DELETE CASCADE,
  group_id TEXT REFERENCES groups (id) ON DELETE SET NULL,
  first_name TEXT,
  last_name TEXT,
  email TEXT NOT NULL,
  password_digest TEXT,
  role TEXT NOT NULL,
  permissions TEXT NOT NULL,
  metadata TEXT NOT NULL DEFAULT '{}',
  banned_at INTEGER,
  password_reset_digest TEXT,
  password_reset_at INTEGER
) STRICT;
CREATE UNIQUE INDEX users_email ON users (account_id, email);
CREATE INDEX users_email_anywhere ON users (email);
CREATE INDEX users_role ON users (account_id, role, created_at, id);
CREATE INDEX users_list ON users (environment_id, account_id, created_at, id);
CREATE INDEX users_account ON users (account_id, created_at, id);
CREATE INDEX users_group ON users (group_id) WHERE group_id IS NOT NULL;

-- Second factors (03 §13). The secret is sealed when a master key is configured; last_step_at is the start of the time step
-- whose code was last accepted.
CREATE TABLE second_factors (
  id TEXT NOT NULL PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  environment_id TEXT REFERENCES environments (id) ON DELETE CASCADE,
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  secret TEXT NOT NULL,
  enabled INTEGER NOT NULL DEFAULT 0,
  last_step_at INTEGER
) STRICT;
CREATE UNIQUE INDEX second_factors_user ON second_factors (user_id);
CREATE INDEX second_factors_list ON second_factors (environment_id, account_id, created_at, id);

-- Users that own groups (06 §3.4).
CREATE TABLE group_owners (
  id TEXT NOT NULL PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  environment_id TEXT REFERENCES environments (id) ON DELETE CASCADE,
  group_id TEXT NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE
) STRICT;
CREATE UNIQUE INDEX group_owners_pair ON group_owners (group_id, user_id);
CREATE INDEX group_owners_user ON group_owners (user_id, group_id);
CREATE INDEX group_owners_list ON group_owners (environment_id, account_id, created_at, id);

-- Products (06 §1).
CREATE TABLE products (
  id TEXT NOT NULL PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  environment_id TEXT REFERENCES environments (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  code TEXT,
  distribution_strategy TEXT,
  url TEXT,
  platforms TEXT,
  permissions TEXT NOT NULL,
  metadata TEXT NOT NULL DEFAULT '{}'
) STRICT;
CREATE UNIQUE INDEX products_code ON products (account_id, lower(code));
CREATE INDEX products_code_exact ON products (account_id, code);
CREATE INDEX products_list ON products (environment_id, account_id, created_at, id);
CREATE INDEX products_account ON products (account_id, created_at, id);

-- Entitlements (06 §2).
CREATE TABLE entitlements (
  id TEXT NOT NULL PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  environment_id TEXT REFERENCES environments (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  code TEXT NOT NULL,
  metadata TEXT NOT NULL DEFAULT '{}'
) STRICT;
CREATE UNIQUE INDEX entitlements_code ON entitlements (account_id, lower(code));
CREATE INDEX entitlements_code_exact ON entitlements (account_id, code);
CREATE INDEX entitlements_list ON entitlements (environment_id, account_id, created_at, id);
CREATE INDEX entitlements_account ON entitlements (account_id, created_at, id);

-- Policies (07 §2).
CREATE TABLE policies (
  id TEXT NOT NULL PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  environment_id TEXT REFERENCES environments (id) ON DELETE CASCADE,
  product_id TEXT NOT NULL REFERENCES products (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  duration INTEGER,
  strict INTEGER NOT NULL DEFAULT 0,
  floating INTEGER NOT NULL DEFAULT 0,
  protected INTEGER NOT NULL DEFAULT 0,
  use_pool INTEGER NOT NULL DEFAULT 0,
  scheme TEXT,
  encrypted INTEGER NOT NULL DEFAULT 0,
  max_machines INTEGER,
  max_processes INTEGER,
  max_users INTEGER,
  max_cores INTEGER,
  max_memory INTEGER,
  max_disk INTEGER,
  max_uses INTEGER,
  machine_uniqueness_strategy TEXT NOT NULL,
  machine_matching_strategy TEXT NOT NULL,
  component_uniqueness_strategy TEXT NOT NULL,
  component_matching_strategy TEXT NOT NULL,
  expiration_strategy TEXT NOT NULL,
  expiration_basis TEXT NOT NULL,
  renewal_basis TEXT NOT NULL,
  transfer_strategy TEXT NOT NULL,
  authentication_strategy TEXT NOT NULL,
  machine_leasing_strategy TEXT NOT NULL,
  process_leasing_strategy TEXT NOT NULL,
  overage_strategy TEXT NOT NULL,
  require_product_scope INTEGER NOT NULL DEFAULT 0,
  require_policy_scope INTEGER NOT NULL DEFAULT 0,
  require_machine_scope INTEGER NOT NULL DEFAULT 0,
  require_fingerprint_scope INTEGER NOT NULL DEFAULT 0,
  require_components_scope INTEGER NOT NULL DEFAULT 0,
  require_user_scope INTEGER NOT NULL DEFAULT 0,
  require_checksum_scope INTEGER NOT NULL DEFAULT 0,
  require_version_scope INTEGER NOT NULL DEFAULT 0,
  require_check_in INTEGER NOT NULL DEFAULT 0,
  check_in_interval TEXT,
  check_in_interval_count INTEGER,
  require_heartbeat INTEGER NOT NULL DEFAULT 0,
  heartbeat_duration INTEGER,
  heartbeat_cull_strategy TEXT NOT NULL,
  heartbeat_resurrection_strategy TEXT NOT NULL,
  heartbeat_basis TEXT NOT NULL,
  metadata TEXT NOT NULL DEFAULT '{}'
) STRICT;
CREATE INDEX policies_list ON policies (environment_id, account_id, created_at, id);
CREATE INDEX policies_account ON policies (account_id, created_at, id);
CREATE INDEX policies_product ON policies (product_id, created_at, id);

-- Keys of policy pools (07 §8).
CREATE TABLE keys (
  id TEXT NOT NULL PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  environment_id TEXT REFERENCES environments (id) ON DELETE CASCADE,
  policy_id TEXT NOT NULL REFERENCES policies (id) ON DELETE CASCADE,
  product_id TEXT NOT NULL REFERENCES products (id) ON DELETE CASCADE,
  key TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX keys_key ON keys (account_id, key);
CREATE INDEX keys_list ON keys (environment_id, account_id, created_at, id);
CREATE INDEX keys_account ON keys (account_id, created_at, id);
CREATE INDEX keys_policy ON keys (policy_id, created_at, id);
CREATE INDEX keys_product ON keys (product_id, created_at, id);

-- Licenses (08). The max_* columns are overrides of the policy's limits; product_id repeats the policy's. The counters are
-- moved by every write to machines and license users, in the same transaction.
CREATE TABLE licenses (
  id TEXT NOT NULL PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  environment_id TEXT REFERENCES environments (id) ON DELETE CASCADE,
  product_id TEXT NOT NULL REFERENCES products (id) ON DELETE CASCADE,
  policy_id TEXT NOT NULL REFERENCES policies (id) ON DELETE CASCADE,
  owner_id TEXT REFERENCES users (id) ON DELETE CASCADE,
  group_id TEXT REFERENCES groups (id) ON DELETE SET NULL,
  name TEXT,
  key TEXT NOT NULL,
  expires_at INTEGER,
  suspended INTEGER NOT NULL DEFAULT 0,
  protected INTEGER,
  uses INTEGER NOT NULL DEFAULT 0,
  max_machines INTEGER,
  max_processes INTEGER,
  max_users INTEGER,
  max_cores INTEGER,
  max_memory INTEGER,
  max_disk INTEGER,
  max_uses INTEGER,
  permissions TEXT NOT NULL,
  metadata TEXT NOT NULL DEFAULT '{}',
  last_validated_at INTEGER,
  last_validated_version TEXT,
  last_validated_checksum TEXT,
  last_check_in_at INTEGER,
  last_check_out_at INTEGER,
  last_expired_event_at INTEGER,
  last_expiring_soon_event_at INTEGER,
  last_check_in_overdue_event_at INTEGER,
  last_check_in_soon_event_at INTEGER,
  machines_count INTEGER NOT NULL DEFAULT 0,
  machines_cores INTEGER NOT NULL DEFAULT 0,
  machines_memory INTEGER NOT NULL DEFAULT 0,
  machines_disk INTEGER NOT NULL DEFAULT 0,
  users_count INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX licenses_key ON licenses (account_id, key);
CREATE INDEX licenses_list ON licenses (environment_id, account_id, created_at, id);
CREATE INDEX licenses_account ON licenses (account_id, created_at, id);
CREATE INDEX licenses_product ON licenses (product_id, created_at, id);
CREATE INDEX licenses_policy ON licenses (policy_id, created_at, id);
CREATE INDEX licenses_owner ON licenses (owner_id, created_at, id) WHERE owner_id IS NOT NULL;
CREATE INDEX licenses_group ON licenses (group_id, created_at, id) WHERE group_id IS NOT NULL;

-- Users attached to licenses (08 §9.5); the owner is never among them.
CREATE TABLE license_users (
  id TEXT NOT NULL PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  environment_id TEXT REFERENCES environments (id) ON DELETE CASCADE,
  license_id TEXT NOT NULL REFERENCES licenses (id) ON DELETE CASCADE,
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE
) STRICT;
CREATE UNIQUE INDEX license_users_pair ON license_users (license_id, user_id);
CREATE INDEX license_users_user ON license_users (user_id, license_id);
CREATE INDEX license_users_list ON license_users (environment_id, account_id);

-- Who holds which license: its owner, and the users attached to it (04 §7).
CREATE VIEW user_licenses AS
  SELECT owner_id AS user_id, id AS license_id, product_id, account_id FROM licenses WHERE owner_id IS NOT NULL
  UNION ALL
  SELECT license_users.user_id, license_users.license_id, licenses.product_id, license_users.account_id
  FROM license_users JOIN licenses ON licenses.id = license_users.license_id;

-- Entitlements attached to licenses (08 §9.6).
CREATE TABLE license_entitlements (
  id TEXT NOT NULL PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  environment_id TEXT REFERENCES environments (id) ON DELETE CASCADE,
  license_id TEXT NOT NULL REFERENCES licenses (id) ON DELETE CASCADE,
  entitlement_id TEXT NOT NULL REFERENCES entitlements (id) ON DELETE CASCADE
) STRICT;
CREATE UNIQUE INDEX license_entitlements_pair ON license_entitlements (license_id, entitlement_id);
CREATE INDEX license_entitlements_entitlement ON license_entitlements (entitlement_id);
CREATE INDEX license_entitlements_list ON license_entitlements (environment_id, account_id);

-- Entitlements attached to policies (07 §6).
CREATE TABLE policy_entitlements (
  id TEXT NOT NULL PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  environment_id TEXT REFERENCES environments (id) ON DELETE CASCADE,
  policy_id TEXT NOT NULL REFERENCES policies (id) ON DELETE CASCADE,
  entitlement_id TEXT NOT NULL REFERENCES entitlements (id) ON DELETE CASCADE
) STRICT;
CREATE UNIQUE INDEX policy_entitlements_pair ON policy_entitlements (policy_id, entitlement_id);
CREATE INDEX policy_entitlements_entitlement ON policy_entitlements (entitlement_id);
CREATE INDEX policy_entitlements_list ON policy_entitlements (environment_id, account_id);

-- Machines (10 §1). product_id and policy_id repeat the license's.
CREATE TABLE machines (
  id TEXT NOT NULL PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  environment_id TEXT REFERENCES environments (id) ON DELETE CASCADE,
  product_id TEXT NOT NULL REFERENCES products (id) ON DELETE CASCADE,
  policy_id TEXT NOT NULL REFERENCES policies (id) ON DELETE CASCADE,
  license_id TEXT NOT NULL REFERENCES licenses (id) ON DELETE CASCADE,
  owner_id TEXT REFERENCES users (id) ON DELETE CASCADE,
  group_id TEXT REFERENCES groups (id) ON DELETE SET NULL,
  fingerprint TEXT NOT NULL,
  name TEXT,
  ip TEXT,
  hostname TEXT,
  platform TEXT,
  cores INTEGER,
  memory INTEGER,
  disk INTEGER,
  metadata TEXT NOT NULL DEFAULT '{}',
  last_heartbeat_at INTEGER,
  last_death_event_at INTEGER,
  last_check_out_at INTEGER
) STRICT;
CREATE UNIQUE INDEX machines_fingerprint ON machines (license_id, fingerprint);
CREATE INDEX machines_account_fingerprint ON machines (account_id, fingerprint);
CREATE INDEX machines_list ON machines (environment_id, account_id, created_at, id);
CREATE INDEX machines_account ON machines (account_id, created_at, id);
CREATE INDEX machines_product ON machines (product_id, created_at, id);
CREATE INDEX machines_policy ON machines (policy_id);
CREATE INDEX machines_license ON machines (license_id, created_at, id);
CREATE INDEX machines_owner ON machines (owner_id) WHERE owner_id IS NOT NULL;
CREATE INDEX machines_group ON machines (group_id) WHERE group_id IS NOT NULL;

-- Components (10 §2).
CREATE TABLE machine_components (
  id TEXT NOT NULL PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  environment_id TEXT REFERENCES environments (id) ON DELETE CASCADE,
  product_id TEXT NOT NULL REFERENCES products (id) ON DELETE CASCADE,
  policy_id TEXT NOT NULL REFERENCES policies (id) ON DELETE CASCADE,
  license_id TEXT NOT NULL REFERENCES licenses (id) ON DELETE CASCADE,
  machine_id TEXT NOT NULL REFERENCES machines (id) ON DELETE CASCADE,
  fingerprint TEXT NOT NULL,
  name TEXT NOT NULL,
  metadata TEXT NOT NULL DEFAULT '{}'
) STRICT;
CREATE UNIQUE INDEX machine_components_fingerprint ON machine_components (machine_id, fingerprint);
CREATE INDEX machine_components_account_fingerprint ON machine_components (account_id, fingerprint);
CREATE INDEX machine_components_list ON machine_components (environment_id, account_id, created_at, id);
CREATE INDEX machine_components_account ON machine_components (account_id, created_at, id);
CREATE INDEX machine_components_product ON machine_components (product_id, created_at, id);
CREATE INDEX machine_components_policy ON machine_components (policy_id);
CREATE INDEX machine_components_license ON machine_components (license_id, created_at, id);
CREATE INDEX machine_components_machine ON machine_components (machine_id, created_at, id);

-- Processes (10 §3).
CREATE TABLE machine_processes (
  id TEXT NOT NULL PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  environment_id TEXT REFERENCES environments (id) ON DELETE CASCADE,
  product_id TEXT NOT NULL REFERENCES products (id) ON DELETE CASCADE,
  policy_id TEXT NOT NULL REFERENCES policies (id) ON DELETE CASCADE,
  license_id TEXT NOT NULL REFERENCES licenses (id) ON DELETE CASCADE,
  machine_id TEXT NOT NULL REFERENCES machines (id) ON DELETE CASCADE,
  pid TEXT NOT NULL,
  metadata TEXT NOT NULL DEFAULT '{}',
  last_heartbeat_at INTEGER NOT NULL,
  last_death_event_at INTEGER
) STRICT;
CREATE UNIQUE INDEX machine_processes_pid ON machine_processes (machine_id, pid);
CREATE INDEX machine_processes_list ON machine_processes (environment_id, account_id, created_at, id);
CREATE INDEX machine_processes_account ON machine_processes (account_id, created_at, id);
CREATE INDEX machine_processes_product ON machine_processes (product_id, created_at, id);
CREATE INDEX machine_processes_policy ON machine_processes (policy_id);
CREATE INDEX machine_processes_license ON machine_processes (license_id, created_at, id);
CREATE INDEX machine_processes_machine ON machine_processes (machine_id, created_at, id);

-- API tokens (03 §10); only digests. The generated columns tie a token to its bearer's life.
CREATE TABLE tokens (
  id TEXT NOT NULL PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  environment_id TEXT REFERENCES environments (id) ON DELETE CASCADE,
  bearer_type TEXT NOT NULL,
  bearer_id TEXT NOT NULL,
  name TEXT,
  digest TEXT NOT NULL,
  expires_at INTEGER,
  permissions TEXT NOT NULL,
  max_activations INTEGER,
  activations INTEGER NOT NULL DEFAULT 0,
  max_deactivations INTEGER,
  deactivations INTEGER NOT NULL DEFAULT 0,
  user_id TEXT GENERATED ALWAYS AS (CASE WHEN bearer_type = 'users' THEN bearer_id END) STORED
    REFERENCES users (id) ON DELETE CASCADE,
  product_id TEXT GENERATED ALWAYS AS (CASE WHEN bearer_type = 'products' THEN bearer_id END) STORED
    REFERENCES products (id) ON DELETE CASCADE,
  license_id TEXT GENERATED ALWAYS AS (CASE WHEN bearer_type = 'licenses' THEN bearer_id END) STORED
    REFERENCES licenses (id) ON DELETE CASCADE,
  bearer_environment_id TEXT GENERATED ALWAYS AS (CASE WHEN bearer_type = 'environments' THEN bearer_id END) STORED
    REFERENCES environments (id) ON DELETE CASCADE
) STRICT;
CREATE UNIQUE INDEX tokens_digest ON tokens (account_id, digest);
CREATE INDEX tokens_list ON tokens (environment_id, account_id, created_at, id);
CREATE INDEX tokens_account ON tokens (account_id, created_at, id);
CREATE INDEX tokens_expiry ON tokens (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX tokens_user ON tokens (user_id, created_at, id) WHERE user_id IS NOT NULL;
CREATE INDEX tokens_product ON tokens (product_id, created_at, id) WHERE product_id IS NOT NULL;
CREATE INDEX tokens_license ON tokens (license_id, created_at, id) WHERE license_id IS NOT NULL;
CREATE INDEX tokens_environment ON tokens (bearer_environment_id, created_at, id) WHERE bearer_environment_id IS NOT NULL;

-- The outbox: one row for each emitted event, written in the transaction of the change it tells of (13 §1). It is the event
-- log, and what webhook deliveries will be made from.
CREATE TABLE event_logs (
  id TEXT NOT NULL PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  environment_id TEXT REFERENCES environments (id) ON DELETE CASCADE,
  event TEXT NOT NULL,
  resource_type TEXT,
  resource_id TEXT,
  whodunnit_type TEXT,
  whodunnit_id TEXT,
  request_log_id TEXT,
  idempotency_token TEXT NOT NULL,
  metadata TEXT
) STRICT;
CREATE INDEX event_logs_list ON event_logs (environment_id, account_id, created_at, id);
CREATE INDEX event_logs_created ON event_logs (created_at);
