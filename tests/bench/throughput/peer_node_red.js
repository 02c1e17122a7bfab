// Settings of Node-RED: no editor, loopback only, and its PostgreSQL client for function nodes.
module.exports = {
  uiHost: "127.0.0.1",
  uiPort: Number(process.env.BENCH_UI_PORT),
  httpAdminRoot: false,
  httpNodeRoot: false,
  flowFile: process.env.BENCH_FLOW,
  functionGlobalContext: { pg: require("pg") },
  logging: { console: { level: "warn" } },
};
