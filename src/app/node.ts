import type { Clock, Random } from "../base/index.ts";
import { Fault, explain } from "../base/index.ts";
import { Approvals, approvalTables } from "../approvals/index.ts";
import { Acts, Admin, CredentialKeeper, adminActions, applyFileSection } from "../admin/index.ts";
import { AnswerLetters, callTables, CallLine, recoverCalls, TakeOver } from "../calls/index.ts";
import { Gate } from "../dispatch/index.ts";
import { Edge } from "../edge/index.ts";
import { Identities, defaultTenant, identityTables, systemTenant } from "../identity/index.ts";
import type { Principal, TenantId } from "../identity/index.ts";
import { Keys, keyTables } from "../keys/index.ts";
import { Doubt, Ledger, ledgerTables, newestCheckpoints, recoveriesIn } from "../ledger/index.ts";
import { Net } from "../net/index.ts";
import { devPolicies, servePolicies } from "../policy/index.ts";
import { Registry, registryTables } from "../registry/index.ts";
import type { Hook } from "../runs/index.ts";
import { Deadlines, Orphans, Runs, Waker, runsTables } from "../runs/index.ts";
import { ClientDocuments, SignIn } from "../signin/index.ts";
import type { Store } from "../store/index.ts";
import { createRecordCall } from "../telemetry/index.ts";
import type { Log, Metrics } from "../telemetry/index.ts";
import { Upstreams, clientMetadataDocument } from "../upstream/index.ts";
import type { UpstreamLimits } from "../upstream/index.ts";
import { Vault, vaultTables } from "../vault/index.ts";
import { Announcing } from "./announcing.ts";
import { CatalogueSync } from "./catalogue-sync.ts";
import { keepYoungObjectsYoung } from "./collector.ts";
import type { Config } from "./config.ts";
import type { Environment } from "./environment.ts";
import { registerGauges } from "./gauges.ts";
import { hooksOf } from "./hooks.ts";
import { Hosting } from "./hosting.ts";
import { Housekeeping } from "./housekeeping.ts";
import { hasStartedBefore, installationId } from "./installation.ts";
import { ownKeyFile, readKeyFile } from "./key-file.ts";
import { refuseMoved } from "./moved-marker.ts";
import { KeyChange } from "./key-change.ts";
import { NodeLease, nodeLeaseMs } from "./node-lease.ts";
import { openStore } from "./open-store.ts";
import { ParamHeaders } from "./param-headers.ts";
import { PolicyDesk } from "./policy-desk.ts";
import { serversDirectory } from "./data-directory.ts";
import { beginReviews, compareRemembered } from "./recovery.ts";
import { Attendance } from "./roll-call.ts";
import { RememberedCheckpoints } from "./remembered-checkpoints.ts";
import { sessionSealing } from "./session-sealing.ts";
import { Shutdown } from "./shutdown.ts";
import { installationTable } from "./tables.ts";
import { version } from "./version.ts";
import { openWitnesses } from "./witnesses.ts";
import { WaitingCounts } from "./waiting-counts.ts";
import { policyTrouble, watchPolicies } from "./watched-policies.ts";

/**
 *  dev    comfortable: everyone with a token may use every tool until policies are written
 *  serve  deny by default
 *  proxy  one upstream under its own tool names, no token, everything allowed and still on record
 */
export type NodeMode = "dev" | "serve" | "proxy";

export interface NodeOptions {
  readonly mode: NodeMode;
  readonly config: Config;
  readonly environment: Environment;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
  /** The node cannot go on (its lease moved): the process should end. */
  readonly onFatal: (reason: string) => void;
  /** How upstream connections behave; for tests that cannot wait a minute for a new listing. */
  readonly upstreamLimits?: Partial<UpstreamLimits>;
}

/** From a stranger's mistake to a bound on what waits: four rounds of calls. */
const waitingCallsMax = 4_096;
/** Ten rounds of one principal's calls. Four principals out of hand leave nothing to others, one leaves three quarters. */
const waitingCallsOfOneMax = 1_024;
const dispatchWindowMs = 10_000;
/** Each loses only to a node that got further. */
const bootstrapTriesMax = 5;

/** All rooms of one process, wired. Constructing does nothing; `start` opens the data directory and listens. */
export class Node {
  private readonly options: NodeOptions;
  private readonly shutdown = new Shutdown();
  private notReady: string[] = ["starting"];

  constructor(options: NodeOptions) {
    this.options = options;
  }

  /** Resolves once the node listens. When a step fails, what was opened is closed again and the fault is thrown. */
  async start(): Promise<RunningNode> {
    keepYoungObjectsYoung();
    try {
      return await this.open();
    } catch (thrown) {
      await this.stop();
      throw thrown;
    }
  }

  /** Stops in the reverse order of starting and finishes even when a step throws. Safe to call twice. */
  async stop(): Promise<void> {
    this.notReady = ["stopping"];
    for (const { doing, thrown } of await this.shutdown.run()) {
      this.options.log.error("a part did not stop cleanly", { doing, reason: explain(thrown) });
    }
  }

  private async open(): Promise<RunningNode> {
    const { config, clock, random, log, metrics, mode, environment } = this.options;
    const onTrouble = (doing: string, thrown: unknown) =>
      log.error("trouble", { doing, reason: explain(thrown) });

    const isShared = config.data.postgres !== undefined;
    if (!isShared) refuseMoved(config.data.directory);
    const doubt = new Doubt(clock);
    const onForgotten = () =>
      this.options.onFatal("the database has forgotten changes of configuration that this node has followed");
    let readKeysAnew = () => {}; // there are none yet
    const { store, rollCall } = await openStore({
      data: config.data,
      tables: allTables,
      clock,
      onEpoch: (change) => {
        log.error("the database has become another: restored, or a standby promoted", { ...change });
        doubt.begin();
        readKeysAnew();
        if (!change.isIntact)
          this.options.onFatal("the database has lost what it had confirmed to this node");
      },
    });
    await this.openPart("the store", store);
    const remembered = new RememberedCheckpoints({ directory: config.data.directory, clock, onTrouble });
    const silentMs = nodeLeaseMs;
    const attendance = new Attendance({
      clock,
      store,
      rollCall,
      doubt,
      silentMs,
      remembered,
      log,
      onTrouble,
    });
    await attendance.decided();
    await compareRemembered(store, remembered, { clock, random, log });
    const lease = new NodeLease({
      store,
      clock,
      random,
      name: config.node.name,
      isShared,
      onLost: () => this.options.onFatal("another process took over this node's work"),
    });
    const node = await lease.start();
    const roles = new Set(config.node.roles);
    this.shutdown.add("giving back the lease", () => lease.stop());

    const kek = this.kek(await hasStartedBefore(store));
    const previousKeks = config.keys.otherFiles.map(readKeyFile);
    const keys = new Keys({ store, random, clock, kek, previousKeks });
    readKeysAnew = () => keys.readAnew();
    await this.openPart("the keys", keys);
    const net = new Net({ clock });
    net.start();
    this.shutdown.add("closing the HTTP client", () => net.stop());
    const outside = openWitnesses(config.ledger.witnesses, { net, clock });
    this.shutdown.add("closing the connections to witnesses", outside.close);
    const ledger = new Ledger({
      store,
      keys,
      clock,
      installationId: await installationId(store, clock, random),
      holder: node.holder,
      doubt,
      witnesses: outside.witnesses,
      witnessQuorum: config.ledger.witnessQuorum,
      onAlert: (alert) => {
        if (alert.kind !== "witness") return log.error("the ledger needs a look", { ...alert });
        if (alert.state === "current") return log.info("a witness co-signs the log again", { ...alert });
        if (alert.state === "contradicts")
          return log.error("A WITNESS CONTRADICTS THE LEDGER: it was rewritten, forked or put back", {
            ...alert,
          });
        log.warn("a witness does not co-sign the log", { ...alert });
      },
      onCheckpoint: (tenant, checkpoint) => remembered.note(tenant, checkpoint),
    });
    this.shutdown.add("remembering checkpoints", () => remembered.stop());
    await this.openPart("the ledger", ledger);
    // A node that gives its lease back has left nothing: others look after those alone that fell silent.
    this.shutdown.add("recording what did not end in time", () =>
      recoverCalls({ clock, store, ledger, node: { ...node, fence: node.fence + 1 } }),
    );
    const { publicUrl } = config.listen;
    // A node with an address of its own makes tokens for it and takes no others, also not of a node with the same keys elsewhere.
    const resource = publicUrl === null ? {} : { audience: `${publicUrl}/mcp` };
    const identities = new Identities({
      store,
      keys,
      clock,
      random,
      onForgotten,
      ...config.identity,
      ...resource,
    });
    await this.openPart("the identities", identities);
    const acts = new Acts({ store, keys, ledger, clock, random });
    await this.bootstrap(identities, store);
    if (previousKeks.length > 0) {
      const actor = this.node(identities, systemTenant);
      const change = new KeyChange({ clock, store, keys, acts, log, actor, kek, onTrouble });
      await this.openPart("the change of keys", change);
    }
    const vault = new Vault({ store, keys, clock });
    await this.openPart("the vault", vault);
    const registry = new Registry({ store, clock, random, unprefixed: mode === "proxy", onForgotten });
    await registry.start();
    this.shutdown.add("closing the registry", () => registry.stop());

    const tenants = () => identities.tenants().map((tenant) => tenant.id);
    const policies = new PolicyDesk({
      registry,
      log,
      tenants,
      adminActions,
      // Whoever names policy files means them: until one of them was good, nothing is permitted in `dev` either.
      fallback: mode === "serve" || config.policies.files.length > 0 ? servePolicies : devPolicies,
    });
    this.shutdown.add("closing the policies", policies.start());
    registry.onPoliciesFollowed((tenant) => policies.reload(tenant));

    const reviewHouse = { clock, random, store, keys, ledger, identities, acts, log };
    if (await beginReviews(reviewHouse))
      await remembered.replace(await newestCheckpoints(store), await recoveriesIn(store));
    this.shutdown.add("leaving the roll calls", () => attendance.stop());
    await attendance.start(reviewHouse, node.holder, async () => {
      await Promise.all([identities.refreshIfChanged(), registry.catchUp()]);
    });
    const recovered = await recoverCalls({ clock, store, ledger, node });
    if (recovered > 0) {
      log.warn("calls of an earlier process have an unknown outcome: signalbox calls ls --state unknown", {
        recovered,
      });
    }

    // Entries that an earlier process wrote and did not sequence: the tail of every tenant is looked at once.
    for (const tenant of tenants()) ledger.noted(tenant);
    await this.openPart("the housekeeping", new Housekeeping({ clock, store, node, onTrouble }));

    let sync: CatalogueSync | null = null;
    const credentials = new CredentialKeeper({ vault, identities, acts });
    const upstreams = new Upstreams({
      clock,
      random,
      net,
      reveal: (tenant, name) => vault.reveal(tenant, name),
      // An operator's file and a developer's machine may lead to private addresses; what comes in through the API of a
      // production node may not.
      allowedFor: (server) => (mode !== "serve" || server.origin === "file" ? ["loopback", "private"] : []),
      credentials,
      environment: environment.variables,
      workingDirectory: serversDirectory(config.data.directory),
      clientVersion: version,
      limits: { processesMax: config.limits.processesMax, ...this.options.upstreamLimits },
      onEvent: (event) => sync?.onEvent(event),
    });
    upstreams.start();
    this.shutdown.add("ending the connections to servers", () => upstreams.stop());

    const announcing: Announcing = new Announcing({
      clock,
      random,
      store,
      net,
      tenant: config.tenant,
      webhooks: config.approvals.webhooks,
      reveal: (name) => vault.reveal(config.tenant, name),
      urlOf: (id) => approvals.urlOf(id),
      nameOf: (tenant, id) => identities.nameOf(tenant, id),
      onTrouble,
    });
    const approvals: Approvals = new Approvals({
      clock,
      random,
      store,
      keys,
      // A developer alone at a machine is all the people there are.
      selfByDefault: mode === "dev",
      urlOf: (id) => {
        const base = publicUrl ?? edge.url;
        return base === null ? null : `${base}/approvals/${id}`;
      },
      targets: (tenant) => (tenant === config.tenant ? announcing.targets : []),
      onTrouble,
    });
    const gate = new Gate({ clock, waitingMax: waitingCallsMax, waitingOfOneMax: waitingCallsOfOneMax });
    const line = new CallLine({
      clock,
      random,
      store,
      keys,
      ledger,
      registry,
      policies,
      vault,
      approvals,
      gate,
      upstreams: {
        exchange: (request) => upstreams.exchange(request),
        watchResource: (...watch) => upstreams.watchResource(...watch),
        catalogueFor: async (server, profile) => {
          await upstreams.catalogueFor(server, profile);
          await sync?.recorded(server);
        },
      },
      limits: { ...config.limits, dispatchWindowMs, leaseMs: nodeLeaseMs },
      tenants,
      serviceOf: (tenant) => {
        const node = identities.node(tenant);
        return node.ok ? node.value : null;
      },
      node,
      record: createRecordCall({ log, metrics, clock }),
      onTrouble,
    });
    await line.start();
    const letters = new AnswerLetters({ clock, store, keys, node, onTrouble });
    this.shutdown.add("leaving answers to other nodes", () => letters.stop());

    sync = new CatalogueSync({ clock, registry, upstreams, identities, acts, log, tenants });
    const catalogue = sync;
    await this.applyFile(registry, identities, acts, store, node.holder);
    for (const tenant of tenants()) await credentials.sweep(tenant, (id) => registry.server(id) !== null);
    catalogue.start();
    this.shutdown.add("closing the catalogue", () => catalogue.stop());
    const policyFiles = await watchPolicies({
      clock,
      log,
      desk: policies,
      registry,
      acts,
      actor: () => this.node(identities, config.tenant),
      tenant: config.tenant,
      patterns: config.policies.files,
    });
    this.shutdown.add("leaving the policy files", () => policyFiles?.stop());

    const { tenant } = config;
    const hosting = new Hosting({
      clock,
      log,
      vault,
      identities,
      acts,
      environment,
      tenant,
      agents: config.agents,
      url: () => edge.url,
      onLost: (orders, reason, isOurDoing) => waker.lost(orders, reason, isOurDoing),
    });
    await hosting.makeAgents(this.node(identities, tenant));
    const hooks = new Map<string, Hook>([
      ...hooksOf(config.hooks, { clock, net, vault, log, environment, tenant }),
      ...hosting.hooks(),
    ]);
    const runs = new Runs({
      clock,
      random,
      store,
      keys,
      ledger,
      hooks,
      onDue: () => waker.hint(),
      hostedOf: (of, name) => {
        const found = hosting.find(of, name);
        return found.ok ? found.value : null;
      },
      asksOf: (run) => approvals.ofRun(run),
    });
    const nodeOf = (tenant: TenantId) => {
      const found = identities.node(tenant);
      return found.ok ? found.value : null;
    };
    const deadlines = new Deadlines({ clock, random, store, keys, ledger, nodeOf, onTrouble });
    const orphans = new Orphans({ clock, random, store, keys, ledger, nodeOf, onTrouble });
    if (roles.has("worker")) {
      await this.openPart("the deadlines of runs", deadlines);
      await this.openPart("the ends of child runs", orphans);
    }
    const waker: Waker = new Waker({ clock, random, store, keys, ledger, hooks, node, nodeOf, onTrouble });
    const givenUp = await waker.nodeDied(node);
    if (givenUp > 0)
      log.warn("runs whose agents an earlier process drove are given up, and go on", { runs: givenUp });
    const takeOver = new TakeOver({
      clock,
      store,
      ledger,
      node,
      leaseMs: nodeLeaseMs,
      giveUpRuns: (dead) => waker.nodeDied(dead),
      onTakenOver: (from, unknownCalls, runs) =>
        log.warn("a node fell silent, and its work is taken over", { from, unknownCalls, runs }),
      onTrouble,
    });
    await this.openPart("the look-out for dead nodes", takeOver);
    const admin = new Admin({
      clock,
      random,
      store,
      keys,
      identities,
      ledger,
      registry,
      vault,
      approvals,
      policies,
      policiesComeFromFile: (tenant) => tenant === config.tenant && config.policies.files.length > 0,
      upstreams,
      calls: line,
      runs,
      hosting,
      node: {
        ...node,
        startedAt: clock.wall(),
        version,
        runtime: `node ${process.versions.node}`,
      },
      ownUrl: () => edge.url,
      publicUrl: config.listen.publicUrl,
      leaseMs: nodeLeaseMs,
      tables: allTables,
      onTrouble,
    });
    admin.start();
    this.shutdown.add("closing the API", () => admin.stop());

    // Where nobody needs a token there is nothing to sign in to.
    const offersSignIn = config.listen.signIn && mode !== "proxy" && roles.has("edge");
    const documents = config.listen.clientDocuments ? new ClientDocuments({ net, clock }) : null;
    const signIn = offersSignIn
      ? new SignIn({ clock, random, keys, store, identities, acts, documents, onTrouble })
      : null;
    const storeTrouble = () =>
      lease.isUnrenewed ? ["the store takes no writes: calls are refused until it does"] : [];
    const paramHeaders = new ParamHeaders();
    const edge: Edge = new Edge({
      clock,
      random,
      log,
      metrics,
      calls: line,
      holderOf: (token) => identities.holderOf(token),
      anonymousPrincipal: mode === "proxy" ? this.node(identities, defaultTenant) : null,
      ...config.listen,
      serverInfo: { name: "signalbox", title: "Signalbox", version },
      instructions: null,
      signIn,
      readiness: () => ({
        // On shared data others may be well and get what comes; where there are none, a refusal that says why beats a balancer's.
        notReady: [...this.notReady, ...(isShared ? storeTrouble() : [])],
        degraded: [
          ...(isShared ? [] : storeTrouble()),
          ...policyTrouble(policies, policyFiles, tenants()),
          ...(doubt.isOn
            ? ["the database has become another: effects wait until all nodes have looked"]
            : []),
        ],
      }),
      jwks: () => JSON.stringify(identities.jwks()),
      metricsNeedToken: mode === "serve",
      api: roles.has("console") ? (request, response) => admin.handle(request, response) : null,
      servesAgents: roles.has("edge"),
      runs,
      home: null,
      oauthCallback: (request, response) => admin.callback.handle(request, response),
      clientMetadata:
        config.listen.publicUrl === null ? null : clientMetadataDocument(config.listen.publicUrl),
      sessionSealing: await sessionSealing(keys),
      answersElsewhere: letters,
      paramHeaders: (principal, name) => {
        const tool = registry.toolNamed(principal.tenant, name);
        return tool === null ? null : paramHeaders.of(tool);
      },
      bounds: { bodyBytesMax: config.limits.bodyBytesMax, connectionsMax: config.limits.connectionsMax },
    });
    const { url } = await edge.start();
    // Not before: links to this node have its address in them, and agents that are started want to reach it.
    if (roles.has("worker")) {
      await this.openPart("the announcements", announcing);
      await this.openPart("the hooks of runs", waker);
    }
    this.shutdown.add(
      "telling clients of changed lists",
      registry.onListChanged((tenant, kinds) => edge.listChanged(tenant, kinds)),
    );
    this.shutdown.add(
      "telling clients of changed policies",
      policies.onReload((tenant) => edge.listChanged(tenant, ["tools", "resources", "prompts"])),
    );
    // Added last, so stopped first: no new call enters while those under way are waited for.
    this.shutdown.add("waiting for calls under way", () => line.stop(config.limits.shutdownGraceMs));
    this.shutdown.add("closing the edge", () => edge.stop(config.limits.shutdownGraceMs));
    this.shutdown.add("answering those who wait in runs", () => runs.stop());
    this.shutdown.add("answering those who wait for approvals", () => approvals.stop());
    const waiting = new WaitingCounts({ clock, store, tenants });
    await this.openPart("the counts of what waits for people", waiting);
    registerGauges({ metrics, store, lease, ledger, registry, tenants, log, gate, line, policies, waiting });
    this.notReady = [];
    return { url, identities, registry, vault, acts, store, ledger, line, approvals };
  }

  private async openPart(doing: string, part: { start(): unknown; stop(): unknown }): Promise<void> {
    this.shutdown.add(`closing ${doing}`, () => part.stop());
    await part.start();
  }

  private kek(hasData: boolean): Uint8Array {
    const { config, random } = this.options;
    return config.keys.file === null
      ? ownKeyFile(config.data.directory, hasData, random)
      : readKeyFile(config.keys.file);
  }

  private async bootstrap(identities: Identities, store: Store): Promise<void> {
    for (let tries = 0; tries < bootstrapTriesMax; tries++) {
      const first = identities.bootstrap();
      if (!first.ok) throw new Fault("internal", first.refusal.detail);
      if (first.value.writes.length === 0) return;
      const verdict = await store.commit(first.value.writes);
      if (verdict.verdict === "done") return first.value.applied();
      await identities.refreshIfChanged(); // another node has begun at the same moment
    }
    throw new Fault("store-busy", "other nodes change the first tenants at the same time; start again");
  }

  private node(identities: Identities, tenant: TenantId): Principal {
    const node = identities.node(tenant);
    if (!node.ok) throw new Fault("config-invalid", `tenant ${tenant} does not exist`);
    return node.value;
  }

  private async applyFile(
    registry: Registry,
    identities: Identities,
    acts: Acts,
    store: Store,
    holder: string,
  ): Promise<void> {
    const { config, clock } = this.options;
    const problems = await applyFileSection({
      registry,
      acts,
      lease: { store, clock, holder },
      actor: this.node(identities, config.tenant),
      section: { digest: config.serversDigest, servers: config.servers },
      limits: config.callerLimits,
    });
    for (const problem of problems)
      this.options.log.warn("something in the configuration file is not applied", { problem });
  }
}

/** What whoever started the node may need of it: the command line for its first token, tests for looking inside. */
export interface RunningNode {
  readonly url: string;
  readonly identities: Identities;
  readonly registry: Registry;
  readonly vault: Vault;
  readonly acts: Acts;
  readonly store: Store;
  readonly ledger: Ledger;
  readonly line: CallLine;
  readonly approvals: Approvals;
}

export const allTables = [
  installationTable,
  ...keyTables,
  ...identityTables,
  ...ledgerTables,
  ...registryTables,
  ...vaultTables,
  ...approvalTables,
  ...callTables,
  ...runsTables,
];
