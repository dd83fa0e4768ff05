// Runs SQL in DuckDB with two threads: node duckdb.cjs "SQL"
const { DuckDBInstance } = require("@duckdb/node-api");

async function main() {
  const instance = await DuckDBInstance.create(":memory:", { threads: "2" });
  const connection = await instance.connect();
  await connection.run(process.argv[2]);
}

main().catch((err) => {
  console.error(err.message);
  process.exit(1);
});
