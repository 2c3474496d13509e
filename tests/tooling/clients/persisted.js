// Asks an endpoint persisted queries as Apollo Client and urql do, and prints what each of them sent and got, as JSON:
//
//   node persisted.js http://127.0.0.1:8000/graphql [name:value ...]
//
// Each further argument is a header that goes along with every request. Each client asks one query three times, past its
// own cache. What it sends is taken down by the fetch that it is given.
import { createHash } from "node:crypto";

import { ApolloClient, ApolloLink, gql, HttpLink, InMemoryCache } from "@apollo/client";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { Client, fetchExchange } from "@urql/core";
import { persistedExchange } from "@urql/exchange-persisted";

const [url, ...given] = process.argv.slice(2);
const headers = Object.fromEntries(given.map((header) => header.split(/:(.*)/s).slice(0, 2)));
const TIMES = 3;
const sha256 = async (text) => createHash("sha256").update(text).digest("hex");

// Gives a fetch that takes down the method of each request, whether it had the text of the document, and the status.
function recording(requests) {
  return async (address, options = {}) => {
    const method = options.method ?? "GET";
    const text = method === "GET" ? new URL(address, url).searchParams.get("query") : JSON.parse(options.body).query;
    const response = await fetch(address, options);
    requests.push({ method, named: !text, status: response.status, type: response.headers.get("content-type") });
    return response;
  };
}

async function apollo(requests) {
  const persisted = new PersistedQueryLink({ sha256, useGETForHashedQueries: true });
  const link = ApolloLink.from([persisted, new HttpLink({ uri: url, headers, fetch: recording(requests) })]);
  const client = new ApolloClient({ cache: new InMemoryCache(), link });
  const query = gql`
    query ByApollo {
      sources {
        name
      }
    }
  `;
  const answers = [];
  for (let time = 0; time < TIMES; time += 1) {
    answers.push((await client.query({ query, fetchPolicy: "no-cache" })).data);
  }
  return answers;
}

async function urql(requests) {
  const client = new Client({
    url,
    fetch: recording(requests),
    fetchOptions: { headers: { ...headers, "x-gateway-preflight": "1" } }, // urql registers by GET as well
    preferGetMethod: false,
    exchanges: [
      persistedExchange({ generateHash: sha256, preferGetForPersistedQueries: true }),
      fetchExchange,
    ],
  });
  const answers = [];
  for (let time = 0; time < TIMES; time += 1) {
    const result = await client.query("query ByUrql { sources { name } }", {}, { requestPolicy: "network-only" });
    if (result.error) {
      throw result.error;
    }
    answers.push(result.data);
  }
  return answers;
}

const report = {};
for (const [name, ask] of Object.entries({ apollo, urql })) {
  const requests = [];
  report[name] = { answers: await ask(requests), requests };
}
console.log(JSON.stringify(report));
