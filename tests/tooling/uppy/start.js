// The script of the upload page: reads its configuration from the page, and lets Uppy send what is dropped there.
//
// The page carries no code of its own, so that its content security policy needs no exception for scripts. The
// configuration is the JSON in the element `upload-configuration`:
//   endpoint  the path of the GraphQL endpoint
//   places    [{title, target, place}]: where files can go, as `UploadTargetInput` and as `PlaceLookup`
import AwsS3 from "@uppy/aws-s3";
import Uppy from "@uppy/core";
import DragDrop from "@uppy/drag-drop";

import "@uppy/drag-drop/css/style.css";
import "./page.css";
import { Gateway } from "./graphql.js";
import { fileRow, Row } from "./rows.js";
import { Staging } from "./staging.js";

const find = (id) => document.getElementById(id);
const { endpoint, places } = JSON.parse(find("upload-configuration").textContent);
const gateway = new Gateway(endpoint);
const rows = new Map(); // by Uppy's id of the file
const staging = new Staging(gateway, (file, staged) => rows.get(file.id).carried(staged));
const chosen = () => Number(find("place").value);
const chosenMethod = () => new FormData(find("choices")).get("method");

// The files of the chosen place

async function listFiles() {
  const number = chosen();
  try {
    const { edges, sourceStatuses, totalCount } = await gateway.files(places[number].place);
    if (number === chosen()) {
      find("files").replaceChildren(...edges.map(({ node }) => fileRow(node, () => download(node))));
      find("files-news").textContent = sourceStatuses.find(({ complete }) => !complete)?.message ?? "";
      find("files-title").textContent = `${places[number].title}: ${totalCount} files, the newest first`;
    }
  } catch (error) {
    find("files-news").textContent = error.message;
  }
}

async function download({ id, name }) {
  try {
    window.location.assign(await gateway.link(id));
  } catch (error) {
    find("files-news").textContent = `${name}: ${error.message}`;
  }
}

// The uploads

// A file has one row, and one place that it goes to, from when it is dropped. It may go to several places at once, but
// twice to the same one only when the first has ended.
function onBeforeFileAdded(file, files) {
  const { target, title } = places[chosen()];
  const method = chosenMethod();
  const id = `${file.id}-${chosen()}`;
  if (Object.hasOwn(files, id)) {
    find("news").textContent = `${file.name} is on its way to ${title} already.`;
    return false;
  }
  return { ...file, id, meta: { ...file.meta, method, target, title } };
}

const uppy = new Uppy({
  autoProceed: true,
  // What fails is told on the page; the console has it as a warning for those who look there.
  logger: { debug: () => undefined, error: console.warn, warn: console.warn },
  onBeforeFileAdded,
});

function say(file, text) {
  find("news").textContent = `${file.name}: ${text}`;
}

function cancel(file) {
  uppy.removeFile(file.id);
  giveUp(file, "Cancelled");
  staging.drop(file).catch((error) => say(file, error.message));
}

function giveUp(file, text) {
  rows.get(file.id).ended(text);
  rows.get(file.id).offer();
  say(file, text);
}

function offerRetry(file, text) {
  giveUp(file, text);
  const retry = () => {
    rows.get(file.id).offer();
    uppy.retryUpload(file.id).catch((error) => say(file, error.message));
  };
  rows.get(file.id).offer(["Retry", retry], ["Cancel", () => cancel(file)]);
}

function offerPause(file) {
  const pause = ["Pause", () => switchPause(file)];
  rows.get(file.id).offer(...(file.meta.method === "MULTIPART" ? [pause] : []), ["Cancel", () => cancel(file)]);
}

function switchPause(file) {
  if (uppy.pauseResume(file.id)) {
    rows.get(file.id).paused();
    rows.get(file.id).offer(["Resume", () => switchPause(file)], ["Cancel", () => cancel(file)]);
  } else {
    offerPause(file);
  }
}

uppy.on("file-added", (file) => {
  rows.set(file.id, new Row(file, file.meta.title));
  find("uploads").prepend(rows.get(file.id).element);
});
uppy.on("upload-start", (files) => files.forEach(offerPause));
uppy.on("upload-progress", (file, { bytesTotal, bytesUploaded }) => {
  if (!uppy.getFile(file.id)?.isPaused) {
    rows.get(file.id).sent(bytesUploaded, bytesTotal);
  }
});
uppy.on("upload-success", (file) => rows.get(file.id).offer());
// Uppy's own words for a request that failed say little; `source` is that request.
function reasonOf({ message, source }) {
  if (source?.status === undefined) {
    return message;
  }
  return source.status ? `The store answered ${source.status}` : "The store cannot be reached";
}

uppy.on("upload-error", (file, error) => {
  offerRetry(file, reasonOf(error));
  staging.drop(file).catch((failure) => say(file, failure.message));
});

// Announces what is not announced yet.
uppy.addPreProcessor(async (ids) => {
  const files = uppy.getFilesByIds(ids);
  try {
    for (const [file, message] of await staging.prepare(files)) {
      giveUp(file, message);
      uppy.removeFile(file.id);
    }
  } catch (error) {
    files.forEach((file) => {
      giveUp(file, error.message);
      uppy.removeFile(file.id);
    });
  }
});

// Has what has arrived at the store carried to its place.
uppy.addPostProcessor(async (ids) => {
  const files = uppy.getFilesByIds(ids).filter((file) => !file.error);
  for (const [file, problem] of await staging.carry(files)) {
    if (problem?.retryable) {
      uppy.setFileState(file.id, { error: problem.message });
      offerRetry(file, problem.message);
    } else {
      uppy.removeFile(file.id);
      if (problem) {
        giveUp(file, problem.message);
      } else {
        rows.get(file.id).arrived();
        say(file, `has arrived at ${file.meta.title}`);
      }
    }
  }
  await listFiles();
});

uppy.use(AwsS3, staging.options());
uppy.use(DragDrop, { note: "Several at once, and folders, too", target: "#drop" });

find("place").append(...places.map(({ title }, number) => new Option(title, number)));
find("place").addEventListener("change", listFiles);
find("choices").addEventListener("submit", (event) => event.preventDefault());
listFiles();
