import type { Schema } from "./schema-terms.ts";
import { count, path } from "./schema-terms.ts";

const plain = (description: string, unit: string, reason: string, more: Partial<Schema> = {}): Schema => ({
  type: "string",
  minLength: 1,
  maxLength: 1_024,
  description,
  "x-unit": unit,
  "x-reason": reason,
  ...more,
});

const tls: Schema = {
  type: "object",
  additionalProperties: false,
  description: "How the connection is protected.",
  properties: {
    mode: plain(
      "`verify-full`: the certificate must be good and name the host. `require`: encrypted, whoever answers. `off`: not at all.",
      "one of the words",
      "Left out, `verify-full`; on loopback `off`. `serve` refuses less than `verify-full` to any other host.",
      { enum: ["verify-full", "require", "off"] },
    ),
    caFile: path(
      "The authorities to trust, in PEM.",
      "Left out, those that this system trusts. Managed databases mostly have an authority of their own.",
    ),
    certFile: path("A certificate to show, in PEM.", "For databases that ask clients for one."),
    keyFile: path("Its private key, in PEM.", "Goes with certFile."),
  },
};

/** `data.postgres`. */
export const postgresSchema: Schema = {
  type: "object",
  additionalProperties: false,
  description:
    "A PostgreSQL database (15 or later) that holds the ledger and everything else instead of a file in the data directory.",
  properties: {
    url: plain(
      "Where the database is, e.g. `postgres://signalbox@db.example.com:5432/signalbox`.",
      "URL without parameters",
      "With a password in it, it belongs into the environment: `${env:DATABASE_URL}`.",
    ),
    host: plain("The host, instead of a URL.", "host name or IP address", "Stands above what the URL says."),
    port: {
      type: "integer",
      minimum: 1,
      maximum: 65_535,
      description: "The port.",
      "x-unit": "TCP port",
      "x-reason": "Stands above what the URL says; 5432 when that has none.",
    },
    database: plain("The database.", "name", "Stands above what the URL says."),
    user: plain(
      "The role.",
      "name",
      "Stands above what the URL says. It must own the schema, or may make it.",
    ),
    password: plain(
      "The role's password.",
      "text",
      "As a reference to the environment: `${env:NAME}`. `serve` refuses one that stands in the file.",
    ),
    passwordFile: path(
      "A file that holds the password and nothing else.",
      "What secret managers put beside a process.",
    ),
    schema: plain(
      "The schema with our tables; made when it is missing.",
      "name of a-z, 0-9 and _",
      "Several installations may share a database; each has a schema of its own.",
      { pattern: "^[a-z_][a-z0-9_]{0,40}$", default: "signalbox" },
    ),
    pooler: plain(
      "`transaction` when a pooler stands between that lends a connection per transaction (PgBouncer's transaction mode, most managed poolers).",
      "one of the words",
      "Then nothing is kept in a connection: no prepared statements, and hints between nodes come by polling alone.",
      { enum: ["none", "transaction"], default: "none" },
    ),
    readConnections: count(
      "Connections for reading. One more writes, and one more listens.",
      "Four keep two cores of a database busy.",
      "connections",
      1,
      100,
      4,
    ),
    tls,
  },
};
