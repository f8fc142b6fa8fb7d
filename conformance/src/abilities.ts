/** What a framework cannot do, each with the reason; the suite leaves those behaviours out. */
export interface Abilities {
  /** Answering a late request through an error handler of the application. */
  errorHandler?: `no: ${string}`;
  /** A handler that takes the response out of the framework's hands. */
  hijack?: `no: ${string}`;
}
