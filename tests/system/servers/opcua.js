// A real OPC UA server (node-opcua) for tests: one JSON line when ready, then commands as JSON lines on stdin, each
// answered by one JSON line on stdout.
//
//   node opcua.js --port 0 --nodes 500 --period 1000 --max-nodes-per-read 10 --user operator --password secret …
//
// Nodes, in the namespace urn:shoptwin:test: n0 … n<nodes-1> (Double, each `period` ms another value), and by name:
// Float, Double, Int16, Int32, UInt32, Int64, UInt64, Boolean, String, LocalizedText, DateTime, Guid, NaN, Enum,
// Wave (Float[] with the property SamplingRate), Bare (Int16[] without), Matrix, Uncertain, Broken, Null, Stamped.
"use strict";

const path = require("node:path");
const os = require("node:os");
const fs = require("node:fs");
const { parseArgs } = require("node:util");

const { OPCUAServer } = require("node-opcua-server");
const { OPCUACertificateManager } = require("node-opcua-certificate-manager");
const { MessageSecurityMode, SecurityPolicy } = require("node-opcua-secure-channel");
const { DataType, Variant, VariantArrayType } = require("node-opcua-variant");
const { StatusCodes } = require("node-opcua-status-code");
const { DataValue } = require("node-opcua-data-value");

const { values: args } = parseArgs({
  options: {
    port: { type: "string", default: "0" },
    nodes: { type: "string", default: "0" },
    period: { type: "string", default: "1000" }, // ms between two values of n0 …
    "max-nodes-per-read": { type: "string", default: "0" },
    "max-nodes-per-browse": { type: "string", default: "0" },
    "max-items-per-call": { type: "string", default: "0" },
    "max-browse-points": { type: "string", default: "0" }, // continuation points a session
    untold: { type: "boolean", default: false }, // it does not tell how many these are
    "max-history-points": { type: "string", default: "0" }, // the same for HistoryRead
    "references-per-node": { type: "string", default: "0" }, // that one answer to Browse has at most
    "max-subscriptions": { type: "string", default: "0" }, // a session
    "max-monitored": { type: "string", default: "0" }, // items of the whole server
    "max-monitored-per-subscription": { type: "string", default: "0" },
    product: { type: "string", default: "shoptwin test server" }, // ProductName in its BuildInfo
    "max-sessions": { type: "string", default: "20" },
    namespaces: { type: "string", default: "0" }, // others before ours, so that its index moves
    user: { type: "string", default: "" },
    password: { type: "string", default: "" },
    secure: { type: "boolean", default: false }, // Basic256Sha256 beside None
    policies: { type: "string", default: "" }, // "None,Basic256Sha256", instead of these
    modes: { type: "string", default: "" }, // "None,Sign,SignAndEncrypt", instead of None and SignAndEncrypt
    certificate: { type: "string", default: "" }, // the server's own (PEM), and its key; else it makes them
    key: { type: "string", default: "" },
    "user-pki": { type: "string", default: "" }, // users may log in by certificates that lie in its trust list
    strict: { type: "boolean", default: false }, // a client's certificate must be in the trust list
    history: { type: "string", default: "0" }, // so many values are kept of Double, Int32 and n0 …
    path: { type: "string", default: "" },
    pki: { type: "string", default: "" },
    empty: { type: "boolean", default: false }, // an address space without any node of ours
    companion: { type: "boolean", default: false }, // machines by companion specifications, beside ours
    plant: { type: "string", default: "0" }, // that many variables with units, in folders of a hundred
    alias: { type: "string", default: "" }, // the host name that its endpoints tell
    truth: { type: "string", default: "" }, // variables t0 … that can be judged, by a clock from then on (ms since 1970)
  },
});

const URI = "urn:shoptwin:test";
const STAMP = new Date(Date.UTC(2020, 0, 2, 3, 4, 5, 678));

const subscriptions = (server) => Object.values(server.engine._sessions).flatMap((each) => each.publishEngine.subscriptions);

// node-opcua leaves out what its own source has as a comment: a session has so many points, what needs another is refused.
function fewHistoryPoints(most) {
  const { ContinuationPointManager } = require("node-opcua-address-space");
  const registers = ContinuationPointManager.prototype.registerHistoryReadRaw;
  ContinuationPointManager.prototype.registerHistoryReadRaw = function (asked, values, where) {
    const refused = values.length > asked && this.hasReachedMaximum(most);
    return refused ? { statusCode: StatusCodes.BadNoContinuationPoints, values: [] } : registers.call(this, asked, values, where);
  };
}

async function main() {
  const pki = args.pki || fs.mkdtempSync(path.join(os.tmpdir(), "shoptwin-opcua-"));
  if (!args.pki) process.on("exit", () => fs.rmSync(pki, { recursive: true, force: true }));
  const certificates = new OPCUACertificateManager({
    rootFolder: pki,
    automaticallyAcceptUnknownCertificate: !args.strict,
  });
  await certificates.initialize();
  const users = args["user-pki"]
    ? new OPCUACertificateManager({ rootFolder: args["user-pki"], automaticallyAcceptUnknownCertificate: false })
    : certificates;
  await users.initialize();
  const policies = args.policies || (args.secure ? "None,Basic256Sha256" : "None");
  const modes = args.modes || (policies === "None" ? "None" : "None,SignAndEncrypt");
  const limits = {};
  if (+args["max-nodes-per-read"]) limits.maxNodesPerRead = +args["max-nodes-per-read"];
  if (+args["max-items-per-call"]) limits.maxMonitoredItemsPerCall = +args["max-items-per-call"];
  if (+args["max-nodes-per-browse"]) limits.maxNodesPerBrowse = +args["max-nodes-per-browse"];
  const capabilities = { maxSessions: +args["max-sessions"], operationLimits: limits };
  if (+args["max-browse-points"]) capabilities.maxBrowseContinuationPoints = +args["max-browse-points"];
  if (+args["max-subscriptions"]) capabilities.maxSubscriptionsPerSession = +args["max-subscriptions"];
  if (+args["max-monitored"]) capabilities.maxMonitoredItems = +args["max-monitored"];
  if (+args["max-monitored-per-subscription"])
    capabilities.maxMonitoredItemsPerSubscription = +args["max-monitored-per-subscription"];

  const server = new OPCUAServer({
    host: "127.0.0.1",
    hostname: args.alias || "127.0.0.1",
    port: +args.port,
    resourcePath: args.path,
    serverCertificateManager: certificates,
    userCertificateManager: users,
    ...(args.certificate ? { certificateFile: args.certificate, privateKeyFile: args.key } : {}),
    securityPolicies: policies.split(",").map((name) => SecurityPolicy[name]),
    securityModes: modes.split(",").map((name) => MessageSecurityMode[name]),
    allowAnonymous: !args.user && !args["user-pki"],
    userManager: { isValidUser: (user, password) => user === args.user && password === args.password },
    maxConnectionsPerEndpoint: 50,
    serverCapabilities: capabilities,
    ...(args.companion ? { nodeset_filename: require("./opcua_machines.js").nodesets() } : {}),
    buildInfo: { productName: args.product, buildNumber: "1", buildDate: new Date(0) },
  });
  const most = +args["references-per-node"]; // node-opcua itself gives all that there is
  const browses = server._on_BrowseRequest.bind(server);
  server._on_BrowseRequest = (message, channel) => {
    if (most) message.request.requestedMaxReferencesPerNode = most;
    browses(message, channel);
  };
  await server.initialize();

  const space = server.engine.addressSpace;
  if (args.untold)
    space.findNode("ns=0;i=2735").bindVariable({ get: () => new Variant({ dataType: DataType.UInt16, value: 0 }) }, true);
  if (+args["max-history-points"]) fewHistoryPoints(+args["max-history-points"]);
  for (let i = 0; i < +args.namespaces; i++) space.registerNamespace(`urn:shoptwin:other:${i}`);
  const namespace = space.registerNamespace(URI);
  const folder = namespace.addFolder("ObjectsFolder", { browseName: "Machine", nodeId: "s=Machine" });
  const nodes = new Map();

  const add = (name, dataType, value, more = {}) => {
    const node = namespace.addVariable({
      componentOf: folder,
      browseName: name,
      nodeId: `s=${name}`,
      dataType,
      minimumSamplingInterval: 10,
      ...more,
    });
    if (value !== undefined) node.setValueFromSource({ dataType, value, ...(more.variant || {}) });
    nodes.set(name, node);
    return node;
  };
  const array = { valueRank: 1, variant: { arrayType: VariantArrayType.Array } };
  const scalar = { variant: { arrayType: VariantArrayType.Scalar } };

  if (!args.empty) {
    for (let i = 0; i < +args.nodes; i++) add(`n${i}`, DataType.Double, i);
    add("Float", DataType.Float, 1.5);
    add("Double", DataType.Double, 21.25);
    add("Int16", DataType.Int16, -7);
    add("Int32", DataType.Int32, -70000);
    add("UInt32", DataType.UInt32, 4294967295);
    add("Int64", DataType.Int64, [0x7fffffff, 0xffffffff], scalar); // node-opcua keeps 64 bits as [high, low]
    add("UInt64", DataType.UInt64, [0xffffffff, 0xfffffffe], scalar);
    add("Boolean", DataType.Boolean, true);
    add("String", DataType.String, "läuft");
    add("LocalizedText", DataType.LocalizedText, { locale: "de", text: "bereit" });
    add("DateTime", DataType.DateTime, STAMP);
    add("Guid", DataType.Guid, "72962B91-FA75-4AE6-8D28-B404DC7DAF63");
    add("NaN", DataType.Double, NaN);
    const wave = add("Wave", DataType.Float, Float32Array.from({ length: 2560 }, (_, i) => Math.fround(i / 10)), array);
    namespace.addVariable({
      propertyOf: wave,
      browseName: "SamplingRate",
      dataType: DataType.Double,
      value: { dataType: DataType.Double, value: 25600 },
    });
    add("Bare", DataType.Int16, Int16Array.from([1, -2, 3]), array);
    add("Matrix", DataType.Double, undefined, { valueRank: 2, arrayDimensions: [2, 2] }).setValueFromSource({
      dataType: DataType.Double,
      arrayType: VariantArrayType.Matrix,
      dimensions: [2, 2],
      value: Float64Array.from([1, 2, 3, 4]),
    });
    add("Uncertain", DataType.Double).setValueFromSource(
      { dataType: DataType.Double, value: 3.5 }, StatusCodes.UncertainLastUsableValue, STAMP);
    add("Broken", DataType.Double).setValueFromSource(
      { dataType: DataType.Double, value: 9 }, StatusCodes.BadSensorFailure, STAMP);
    add("Null", DataType.Double).setValueFromSource({ dataType: DataType.Null }, StatusCodes.Good, STAMP);
    add("Stamped", DataType.Double).setValueFromSource(
      { dataType: DataType.Double, value: 4 }, StatusCodes.Good, STAMP);
    const { makeEUInformation } = require("node-opcua-data-access");
    namespace.addAnalogDataItem({
      componentOf: folder, browseName: "Speed", nodeId: "s=Speed", dataType: DataType.Double,
      engineeringUnitsRange: { low: 0, high: 50 },
      engineeringUnits: makeEUInformation("C16", "mm/s", "millimetre per second"),
      value: { dataType: DataType.Double, value: 2.5 },
    });
    if (+args.history) {
      const kept = ["Double", "Int32", ...Array.from({ length: +args.nodes }, (_, i) => `n${i}`)];
      for (const name of kept)
        space.installHistoricalDataNode(nodes.get(name), { maxOnlineValues: +args.history });
    }
    let tick = 0;
    setInterval(() => {
      tick += 1;
      for (let i = 0; i < +args.nodes; i++)
        nodes.get(`n${i}`)?.setValueFromSource({ dataType: DataType.Double, value: i + tick / 1000 });
    }, +args.period);
  }

  if (args.companion || +args.plant) {
    const { addMachines, addPlant } = require("./opcua_machines.js");
    if (args.companion) addMachines(space, namespace);
    if (+args.plant) addPlant(namespace, +args.plant);
  }

  const truths = require("./opcua_truth.js").COUNT;
  const addTruth = (first, last) => {
    // In other namespaces the same names stand for others: who goes on with an old index is found out.
    const others = space.getNamespaceArray().filter((each) => each.namespaceUri.startsWith("urn:shoptwin:other:"));
    [namespace, ...others].forEach((each, shift) =>
      require("./opcua_truth.js").addTruth(each, +args.truth, first, last, shift * truths));
  };
  if (args.truth && !args.empty) addTruth(0, truths);

  const does = {
    // {"do": "set", "name", "type", "value", "status"?, "array"?}
    set: ({ name, type, value, status, array: isArray, time }) => {
      const variant = { dataType: DataType[type], value };
      if (isArray) variant.arrayType = VariantArrayType.Array;
      nodes.get(name).setValueFromSource(variant, StatusCodes[status || "Good"], time ? new Date(time) : undefined);
      return {};
    },
    // several values of one node, at once
    burst: ({ name, type, values }) => {
      for (const value of values) nodes.get(name).setValueFromSource({ dataType: DataType[type], value });
      return {};
    },
    add: ({ name, type, value }) => (add(name, DataType[type], value), {}),
    remove: ({ name }) => (space.deleteNode(nodes.get(name).nodeId), nodes.delete(name), {}),
    build: ({ first, last }) => (addTruth(first, Math.min(last, truths)), {}), // what --truth has, where it began empty
    counts: () => ({
      sessions: server.engine.currentSessionCount,
      subscriptions: server.engine.currentSubscriptionCount,
      created: server.engine.cumulatedSessionCount,
      channels: server.currentChannelCount,
    }),
    // continuation points that are open
    points: () => ({
      points: Object.values(server.engine._sessions).reduce((sum, each) => sum + each.continuationPointManager._map.size, 0),
    }),
    // how the last session that was opened is secured
    session: () => {
      const channel = Object.values(server.engine._sessions).at(-1).channel;
      return { policy: channel.securityPolicy, mode: MessageSecurityMode[channel.securityMode] };
    },
    drop: () => (subscriptions(server).forEach((each) => each.terminate()), {}), // as if they had timed out
    refused: () => ({ refused: fs.readdirSync(path.join(pki, "rejected")).length }),
    // its subscriptions say nothing from now on, not even that they live
    mute: () => (subscriptions(server).forEach((each) => { each._tick = () => {}; }), {}),
    // the next answer with values is lost on the way; without `keep` the server forgets it, too
    swallow: ({ keep }) => {
      for (const session of Object.values(server.engine._sessions)) {
        const engine = session.publishEngine;
        const sends = engine._send_response_for_request;
        engine._send_response_for_request = (request, response) => {
          const told = response.notificationMessage;
          if (!told?.notificationData?.length) return sends.call(engine, request, response);
          engine._send_response_for_request = sends;
          if (keep) return;
          const each = engine.getSubscriptionById(response.subscriptionId);
          setTimeout(() => each.acknowledgeNotification(told.sequenceNumber), 100);
        };
      }
      return {};
    },
    namespace: ({ uri }) => ((space.getNamespaceArray().at(-1).namespaceUri = uri), {}),
    // the operator's move: what was refused is trusted from now on
    trust: async ({ user }) => {
      const manager = user ? users : certificates;
      const folder = path.join(user ? args["user-pki"] : pki, "rejected");
      const names = fs.readdirSync(folder);
      for (const name of names) fs.renameSync(path.join(folder, name), path.join(folder, "../trusted/certs", name));
      await manager.reloadCertificates?.();
      return { trusted: names };
    },
    crash: () => process.exit(1),
    stop: () => (setImmediate(() => server.shutdown(0).then(() => process.exit(0))), {}),
  };

  await server.start();
  const url = server.getEndpointUrl();
  const port = +new URL(url.replace("opc.tcp", "http")).port;
  const index = namespace.index;
  console.log(JSON.stringify({ ready: true, url: `opc.tcp://127.0.0.1:${port}${args.path}`, port, namespace: index, uri: URI, pki }));

  require("node:readline").createInterface({ input: process.stdin }).on("line", async (line) => {
    let answer;
    try {
      const command = JSON.parse(line);
      answer = await does[command.do](command);
    } catch (error) {
      answer = { error: String(error) };
    }
    console.log(JSON.stringify(answer));
  }).on("close", () => process.exit(0)); // a test that died takes its server with it
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
