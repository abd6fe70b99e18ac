// Many small OPC UA servers (node-opcua) in one process, each on a port of its own: the fleet of the benchmarks. One JSON
// line when ready, then commands as JSON lines on stdin, each answered by one JSON line on stdout.
//
//   node opcua_fleet.js --servers 10 --nodes 1000
//
// Each server has n0 … n<nodes-1> (Double) in the namespace urn:shoptwin:test. The value of a node is how often it was
// sampled, and its source time is when: a value that is lost on its way leaves a hole in the numbers.
"use strict";

const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { monitorEventLoopDelay } = require("node:perf_hooks");
const { parseArgs } = require("node:util");

const { OPCUAServer } = require("node-opcua-server");
const { OPCUACertificateManager } = require("node-opcua-certificate-manager");
const { MessageSecurityMode, SecurityPolicy } = require("node-opcua-secure-channel");
const { DataType, Variant } = require("node-opcua-variant");
const { DataValue } = require("node-opcua-data-value");

const { values: args } = parseArgs({
  options: { servers: { type: "string", default: "10" }, nodes: { type: "string", default: "1000" } },
});

const URI = "urn:shoptwin:test";
const behind = monitorEventLoopDelay({ resolution: 10 });

function sampled(counts, i) {
  counts[i] += 1;
  const value = new Variant({ dataType: DataType.Double, value: counts[i] });
  return new DataValue({ value, sourceTimestamp: new Date() });
}

async function serve(certificates) {
  const server = new OPCUAServer({
    host: "127.0.0.1",
    hostname: "127.0.0.1",
    port: 0,
    serverCertificateManager: certificates,
    userCertificateManager: certificates,
    securityPolicies: [SecurityPolicy.None],
    securityModes: [MessageSecurityMode.None],
    disableDiscovery: true,
  });
  await server.initialize();
  const namespace = server.engine.addressSpace.registerNamespace(URI);
  const counts = new Float64Array(+args.nodes);
  const folder = namespace.addFolder("ObjectsFolder", { browseName: "Machine", nodeId: "s=Machine" });
  for (let i = 0; i < +args.nodes; i++)
    namespace.addVariable({
      componentOf: folder,
      browseName: `n${i}`,
      nodeId: `s=n${i}`,
      dataType: DataType.Double,
      minimumSamplingInterval: 100,
      value: { timestamped_get: () => sampled(counts, i) },
    });
  await server.start();
  return server;
}

async function main() {
  const pki = fs.mkdtempSync(path.join(os.tmpdir(), "shoptwin-opcua-"));
  process.on("exit", () => fs.rmSync(pki, { recursive: true, force: true }));
  const certificates = new OPCUACertificateManager({ rootFolder: pki, automaticallyAcceptUnknownCertificate: true });
  await certificates.initialize();
  const servers = [];
  while (servers.length < +args.servers) servers.push(await serve(certificates));
  const ports = servers.map((each) => +new URL(each.getEndpointUrl().replace("opc.tcp", "http")).port);
  const urls = ports.map((port) => `opc.tcp://127.0.0.1:${port}`);
  behind.enable();

  const does = {
    // CPU seconds since the start; by how many ms it was late at the most since the last such question
    used: () => {
      const { user, system } = process.cpuUsage();
      const late = behind.max / 1e6;
      behind.reset();
      return { cpu: (user + system) / 1e6, late, rss: process.memoryUsage.rss() };
    },
    counts: () => ({
      sessions: servers.map((each) => each.engine.currentSessionCount),
      created: servers.map((each) => each.engine.cumulatedSessionCount),
    }),
  };

  console.log(JSON.stringify({ ready: true, url: urls[0], port: ports[0], urls, uri: URI }));
  require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
    let answer;
    try {
      const command = JSON.parse(line);
      answer = does[command.do](command);
    } catch (error) {
      answer = { error: String(error) };
    }
    console.log(JSON.stringify(answer));
  }).on("close", () => process.exit(0)); // a run that died takes its servers with it
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
