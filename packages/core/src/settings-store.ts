import { DEFAULTS, mergeSettings, type ResolvedSettings, type Settings } from './settings.js';

/**
 * The settings of this process; each part that keeps the store sees a change at once. A restart that began
 * with its `startTimeout`, or a shutdown with its deadline, keeps that copy to its end.
 */
export class SettingsStore {
  #current: ResolvedSettings = DEFAULTS;
  #pinned: Settings = {};

  /** The current settings. */
  get current(): ResolvedSettings {
    return this.#current;
  }

  /** Applies these settings; throws `ERR_ENDLESS_INVALID_OPTION` and changes nothing if one is invalid. */
  configure(given: Settings): void {
    this.#current = mergeSettings(mergeSettings(this.#current, given), this.#pinned);
  }

  /** Applies these settings; later ones of the program do not change them. */
  pin(given: Settings): void {
    this.#pinned = given;
    this.configure({});
  }
}
