/**
 * app: how a node starts and stops, and everything around it that is not a room: configuration, importing other clients' servers,
 * looking at a machine. It wires the rooms and has no rule of its own.
 *
 * Ways to start: `startDev` (comfortable, finds servers, leaves a key for the command line), `startServe` (refuses development
 * defaults), `startProxy` (one upstream, no token, loopback). Each resolves once the node listens, or throws the Fault of the part
 * that could not start, with everything closed again. `stop()` finishes what is under way, ends child processes, closes the data.
 *
 * Identities: the installation's id. Bounds: those of the configuration, each with its reason in docs/reference/configuration.md.
 * Errors: problems of the configuration as data, all at once; Faults of the rooms. Signals: the log, metrics, and `say` for a person.
 */
export type { Config } from "./config/config.ts";
export type { ConnectionFile, FoundConnection } from "./launch/connection-file.ts";
export { readYaml } from "./config/yaml.ts";
export { vaultNames } from "./launch/dev-servers.ts";
export type { DevNode, DevServer } from "./launch/dev.ts";
export { startDev } from "./launch/dev.ts";
export { examine } from "./doctor/doctor.ts";
export type { Finding } from "./doctor/finding.ts";
export type { Environment } from "./environment.ts";
export { importServers } from "./import/import.ts";
export type { Import } from "./import/import.ts";
export { nodeRoles } from "./config/config.ts";
export type { NodeRole } from "./config/config.ts";
export { loadConfig } from "./launch/load-config.ts";
export type { ConfigTrouble, LoadedConfig } from "./launch/load-config.ts";
export type { Say } from "./launch/log.ts";
export { startProxy } from "./launch/proxy.ts";
export { startServe } from "./launch/serve.ts";
export type { Launched, Process } from "./launch/launch.ts";
export { contractStore } from "./offline/contract-store.ts";
export { moveStore } from "./offline/move-store.ts";
export { allTables } from "./data/all-tables.ts";
export { offlineCatalog } from "./offline/catalog.ts";
export type { OfflineCatalog } from "./offline/catalog.ts";
export { openReadStore } from "./data/open-store.ts";
export { offlinePayloads } from "./offline/payloads.ts";
export { readKeyFile } from "./data/key-file.ts";
export { markRestored } from "./offline/mark-restored.ts";
export { backupTables, restoreBackup } from "./offline/restore.ts";
