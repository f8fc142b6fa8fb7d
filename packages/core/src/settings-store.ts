import { DEFAULTS, mergeSettings, type ResolvedSettings, type Settings } from './settings.js';

/**
 * The settings of this process; a part that keeps the store sees each change at once. What has begun with a copy (a
 * restart with its `startTimeout`, a shutdown with its deadline) ends with that copy.
 */
export class SettingsStore {
  #current: ResolvedSettings = DEFAULTS;

  /** The settings of this moment. */
  get current(): ResolvedSettings {
    return this.#current;
  }

  /** Takes over what is given; throws `ERR_ENDLESS_INVALID_OPTION`, and changes nothing then. */
  configure(given: Settings): void {
    this.#current = mergeSettings(this.#current, given);
  }
}
