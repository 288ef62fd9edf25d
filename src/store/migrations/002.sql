-- Second factors, password resets, group owners, account settings.
ALTER TABLE users ADD COLUMN password_reset_digest TEXT;
ALTER TABLE users ADD COLUMN password_reset_at INTEGER;
CREATE INDEX users_email_anywhere ON users (email);
CREATE INDEX users_role ON users (account_id, role, created_at, id);

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

-- Who holds which license: its owner, and the users attached to it (04 §7).
CREATE VIEW user_licenses AS
  SELECT owner_id AS user_id, id AS license_id, product_id, account_id FROM licenses WHERE owner_id IS NOT NULL
  UNION ALL
  SELECT license_users.user_id, license_users.license_id, licenses.product_id, license_users.account_id
  FROM license_users JOIN licenses ON licenses.id = license_users.license_id;
