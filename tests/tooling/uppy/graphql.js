// Asks the gateway, as any client does.

const TRIES = 5;
const FIRST_PAUSE_MS = 300;

export const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

const UPLOAD = "id state bytesCarried size problem { message retryable }";
const TARGET = "method url expiresAt headers { name value } parameters { name value }";

const CREATE = `mutation Create($input: StagedUploadsCreateInput!) {
  stagedUploadsCreate(input: $input) {
    stagedUploads { ${UPLOAD} partSize targets { ${TARGET} } }
    userErrors { field message }
  }
}`;
const SIGN = `mutation Sign($input: StagedUploadPartsSignInput!) {
  stagedUploadPartsSign(input: $input) {
    targets { ${TARGET} }
    parts { number size etag }
    userErrors { field message }
  }
}`;
const FINALIZE = `mutation Finalize($input: StagedUploadsFinalizeInput!) {
  stagedUploadsFinalize(input: $input) {
    stagedUploads { ${UPLOAD} }
    userErrors { field message }
  }
}`;
const CANCEL = `mutation Cancel($input: StagedUploadsCancelInput!) {
  stagedUploadsCancel(input: $input) { userErrors { message } }
}`;
const PROGRESS = `query Progress($ids: [ID!]!) {
  nodes(ids: $ids) { ... on StagedUpload { ${UPLOAD} } }
}`;
const FILES = `query Files($in: [PlaceLookup!]!) {
  storedFiles(in: $in, first: 20, orderBy: { field: CREATED_AT, direction: DESC }) {
    totalCount
    edges { node { id name mediaType size createdAt } }
    sourceStatuses { complete message }
  }
}`;
const LINK = `query Link($id: ID!) { node(id: $id) { ... on StoredFile { download { url } } } }`;

export class Gateway {
  constructor(endpoint) {
    this.endpoint = endpoint;
  }

  // Every write has a key, so a request whose answer got lost may be sent again without doing anything twice.
  async #write(document, field, input) {
    const data = await this.#ask(document, { input: { ...input, idempotencyKey: crypto.randomUUID() } });
    return data[field];
  }

  async create(uploads) {
    return this.#write(CREATE, "stagedUploadsCreate", { uploads });
  }

  async finalize(uploads) {
    return this.#write(FINALIZE, "stagedUploadsFinalize", { uploads });
  }

  async cancel(id) {
    return this.#write(CANCEL, "stagedUploadsCancel", { ids: [id] });
  }

  // Signs parts, and lists those that have arrived. It has no effect, and so no key.
  async sign(id, numbers) {
    const { stagedUploadPartsSign } = await this.#ask(SIGN, { input: { id, numbers } });
    if (stagedUploadPartsSign.userErrors.length > 0) {
      throw new Error(stagedUploadPartsSign.userErrors[0].message);
    }
    return stagedUploadPartsSign;
  }

  // One request for all uploads that are under way, however many.
  async progress(ids) {
    return (await this.#ask(PROGRESS, { ids })).nodes;
  }

  async files(place) {
    return (await this.#ask(FILES, { in: [place] })).storedFiles;
  }

  async link(id) {
    return (await this.#ask(LINK, { id })).node?.download?.url;
  }

  async #ask(query, variables) {
    const response = await this.#send(JSON.stringify({ query, variables }));
    const { data, errors } = await response.json();
    if (errors) {
      throw new Error(errors[0].message);
    }
    return data;
  }

  async #send(body) {
    const headers = { accept: "application/json", "content-type": "application/json" };
    for (let tried = 1; ; tried += 1) {
      try {
        return await fetch(this.endpoint, { body, headers, method: "POST" });
      } catch (error) {
        if (tried === TRIES) {
          throw new Error("The gateway cannot be reached.", { cause: error });
        }
        await pause(FIRST_PAUSE_MS * 2 ** tried);
      }
    }
  }
}
