// The script of the GraphiQL page: reads its configuration from the page and draws the editor.
//
// The page carries no code of its own, so that its content security policy needs no exception for scripts. The
// configuration is the JSON in the element `graphiql-configuration`:
//   endpoint  the path of the GraphQL endpoint
//   tabs      [{query, variables, headers}]: the tabs of a first visit; later ones are the visitor's own
//   upload    the path of the upload page, or null where there is none
import { explorerPlugin } from "@graphiql/plugin-explorer";
import { createGraphiQLFetcher } from "@graphiql/toolkit";
import { GraphiQL } from "graphiql";
import { createClient } from "graphql-ws";
import { createRoot } from "react-dom/client";

import "graphiql/graphiql.css";
import "@graphiql/plugin-explorer/style.css";
import "./page.css";
import { keepAccessible } from "./accessibility.js";

const { endpoint, tabs, upload } = JSON.parse(document.getElementById("graphiql-configuration").textContent);
const url = new URL(endpoint, window.location.href);
const socket = new URL(url);
socket.protocol = url.protocol === "https:" ? "wss:" : "ws:";

const fetcher = createGraphiQLFetcher({
  url: url.href,
  // Lazy: no socket is opened before somebody runs a subscription.
  wsClient: createClient({ url: socket.href, lazy: true }),
});

// GraphiQL opens the first of its default tabs without that tab's variables; later visits have some stored.
const firstVisit = window.localStorage.getItem("graphiql:tabState") === null;
const root = document.getElementById("graphiql");

createRoot(root).render(
  <GraphiQL
    // Headers are not stored, as they may hold secrets: those of the examples are given to every tab that has none.
    defaultHeaders={tabs[0]?.headers}
    defaultQuery=""
    defaultTabs={tabs}
    fetcher={fetcher}
    plugins={[explorerPlugin()]}
    variables={firstVisit ? tabs[0]?.variables : undefined}
  >
    {upload && (
      <GraphiQL.Logo>
        <a href={upload}>Upload files</a>
      </GraphiQL.Logo>
    )}
  </GraphiQL>,
);
keepAccessible(root);
