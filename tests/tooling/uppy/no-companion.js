// Stands in for @uppy/companion-client, which speaks to Uppy's own server. Here the gateway signs instead, so nobody
// makes one of these.
export class RequestClient {
  constructor() {
    throw new Error("the bundle holds no client for Companion");
  }
}
