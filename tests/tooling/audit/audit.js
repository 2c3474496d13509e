// Runs every audit of graphql-http against an endpoint and prints those that are not ok:
//
//   node audit.js http://127.0.0.1:8000/graphql [name:value ...]
//
// Each further argument is a header that goes along with every request, where an endpoint asks for one.
//
// Ends with `N ok of M`, and with exit code 1 unless all are: a warning (a SHOULD) counts like an error (a MUST).
import { auditServer } from "graphql-http";

const [url, ...headers] = process.argv.slice(2);
const more = headers.map((header) => header.split(/:(.*)/s).slice(0, 2));
const fetchFn = (address, { headers: own, ...options } = {}) =>
  fetch(address, { ...options, headers: [...new Headers(own), ...more] });
const results = await auditServer({ fetchFn, url });
const unmet = results.filter((result) => result.status !== "ok");
for (const { id, name, reason, response, status } of unmet) {
  console.log(`${status} ${id} ${name}: ${reason} (HTTP ${response?.status}, ${response?.headers.get("content-type")})`);
}
console.log(`${results.length - unmet.length} ok of ${results.length}`);
process.exit(unmet.length === 0 && results.length > 0 ? 0 : 1);
