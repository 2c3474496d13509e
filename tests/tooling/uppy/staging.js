// What the gateway knows of each file: announced before its bytes are sent, finalized when they have arrived.
//
// The options of Uppy's aws-s3 are answered from there: its parts are the gateway's, and completing an upload in parts is
// left to the mutation that finalizes it.
import { pause } from "./graphql.js";

const AT_ONCE = 50; // uploads that one mutation takes
const LOOK_EVERY_MS = 250;
const LARGEST_DIGEST = 64 * 1024 * 1024; // the browser digests in memory only
const LEFT_MS = 15_000; // a target that ends sooner is signed anew
const ENDED = new Set(["CANCELLED", "EXPIRED", "FAILED", "FINALIZED", "UNKNOWN"]);

const pairs = (list) => Object.fromEntries(list.map(({ name, value }) => [name, value]));
const isFresh = (target) => target && Date.parse(target.expiresAt) - Date.now() > LEFT_MS;

function batches(list) {
  return Array.from({ length: Math.ceil(list.length / AT_ONCE) }, (_, number) =>
    list.slice(number * AT_ONCE, (number + 1) * AT_ONCE),
  );
}

async function digest(blob) {
  if (blob.size > LARGEST_DIGEST) {
    return undefined;
  }
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", await blob.arrayBuffer()));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// `userErrors` of a list name the item as the third step of their path; one without is about all items.
function messageFor(userErrors, number) {
  const about = ({ field }) => field?.[2] === undefined || field[2] === String(number);
  return userErrors.find(about)?.message;
}

export class Staging {
  #staged = new Map(); // by Uppy's id of the file
  #partSizes = new WeakMap(); // by the bytes, since Uppy cuts those
  #gateway;
  #report;

  // `report(file, {state, bytesCarried, size})` is told how far the gateway has carried a file.
  constructor(gateway, report) {
    this.#gateway = gateway;
    this.#report = report;
  }

  // Announces the files that are not announced yet; gives [file, message] for those that are refused.
  async prepare(files) {
    const refused = [];
    for (const batch of batches(files.filter((file) => !this.#staged.has(file.id)))) {
      const inputs = await Promise.all(batch.map((file) => this.#input(file)));
      const { stagedUploads, userErrors } = await this.#gateway.create(inputs);
      batch.forEach((file, number) => {
        const staged = stagedUploads[number];
        if (staged === null) {
          refused.push([file, messageFor(userErrors, number)]);
          return;
        }
        this.#staged.set(file.id, { ...staged, parts: undefined });
        this.#partSizes.set(file.data, staged.partSize);
      });
    }
    return refused;
  }

  async #input({ data, meta, name, size, type }) {
    return { mediaType: type, method: meta.method, name, sha256: await digest(data), size, target: meta.target };
  }

  // Forgets a file whose bytes will not come, and tells the gateway so.
  async drop(file) {
    const staged = this.#staged.get(file.id);
    this.#staged.delete(file.id);
    if (staged) {
      await this.#gateway.cancel(staged.id);
    }
  }

  // The options of aws-s3.
  options() {
    return {
      abortMultipartUpload: async () => undefined, // `drop` does that, for every method alike
      completeMultipartUpload: async (file, { parts }) => this.#keepParts(file, parts),
      createMultipartUpload: async (file) => ({ key: file.id, uploadId: this.#staged.get(file.id).id }),
      getChunkSize: (data) => this.#partSizes.get(data),
      getUploadParameters: async (file) => this.#parameters(file),
      listParts: async (file) => this.#listParts(file),
      shouldUseMultipart: (file) => file.meta.method === "MULTIPART",
      signPart: async (file, { partNumber }) => this.#signPart(file, partNumber),
    };
  }

  async #parameters(file) {
    if (!isFresh(this.#staged.get(file.id).targets[0])) {
      await this.drop(file);
      const [refusal] = await this.prepare([file]);
      if (refusal) {
        throw new Error(refusal[1]);
      }
    }
    const { headers, method, parameters, url } = this.#staged.get(file.id).targets[0];
    return { fields: pairs(parameters), headers: pairs(headers), method, url };
  }

  async #signPart(file, number) {
    const { id, targets } = this.#staged.get(file.id);
    const early = targets[number - 1];
    const { headers, url } = isFresh(early) ? early : (await this.#gateway.sign(id, [number])).targets[0];
    return { headers: pairs(headers), url };
  }

  async #listParts(file) {
    const { parts } = await this.#gateway.sign(this.#staged.get(file.id).id, []);
    return parts.map(({ etag, number, size }) => ({ ETag: etag, PartNumber: number, Size: size }));
  }

  #keepParts(file, parts) {
    this.#staged.get(file.id).parts = parts.map(({ ETag, PartNumber }) => ({ etag: ETag, number: PartNumber }));
    return {};
  }

  // Has files whose bytes have arrived carried to their places; gives [file, problem] for each, null where all is well.
  async carry(files) {
    const outcomes = await Promise.all(batches(files).map((batch) => this.#carryBatch(batch)));
    return outcomes.flat();
  }

  async #carryBatch(files) {
    const uploads = files.map((file) => this.#staged.get(file.id)).map(({ id, parts }) => ({ id, parts }));
    const waiting = new Map(files.map((file, number) => [uploads[number].id, file]));
    const problems = new Map();
    try {
      await this.#finalize(uploads, waiting, problems);
    } catch (error) {
      waiting.forEach((_, id) => problems.set(id, { message: error.message, retryable: true }));
    }
    return files.map((file, number) => [file, this.#ended(file, problems.get(uploads[number].id) ?? null)]);
  }

  // Finalizes and looks meanwhile how far it has come. Only what is seen after the answer is an end: before, it may be
  // that of the attempt before. The answer may come before the end, as a transfer may take longer than a request.
  async #finalize(uploads, waiting, problems) {
    let answered = false;
    const answer = this.#gateway.finalize(uploads).then(({ stagedUploads, userErrors }) => {
      stagedUploads.forEach((staged, number) => {
        if (staged === null) {
          waiting.delete(uploads[number].id);
          problems.set(uploads[number].id, { message: messageFor(userErrors, number), retryable: true });
        }
      });
      answered = true;
    });
    const looks = async () => {
      while (waiting.size > 0) {
        const final = answered;
        for (const staged of await this.#gateway.progress([...waiting.keys()])) {
          this.#look(staged, final, waiting, problems);
        }
        await pause(waiting.size > 0 ? LOOK_EVERY_MS : 0);
      }
    };
    await Promise.all([answer, looks()]);
  }

  #look(staged, final, waiting, problems) {
    if (!waiting.has(staged.id)) {
      return;
    }
    this.#report(waiting.get(staged.id), staged);
    if (final && ENDED.has(staged.state)) {
      waiting.delete(staged.id);
      if (staged.state !== "FINALIZED") {
        problems.set(staged.id, staged.problem ?? { message: `It ended as ${staged.state}.`, retryable: false });
      }
    }
  }

  #ended(file, problem) {
    if (!problem?.retryable) {
      this.#staged.delete(file.id);
    }
    return problem;
  }
}
