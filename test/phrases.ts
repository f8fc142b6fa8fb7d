/** A phrase that the project no longer uses, and what to write instead. */
export interface Phrase {
  pattern: RegExp;
  instead: string;
}

/** A phrase that a text has all the same, with its line. */
export interface Finding {
  line: number;
  found: string;
  instead: string;
}

/**
 * Phrases that have to be translated before they are understood. Each is wrong wherever it stands: a word that is
 * wrong in some places only, such as "end" or "leave", is not here. docs/glossary.md has the terms.
 */
export const PHRASES: readonly Phrase[] = [
  // Actors that have no name.
  { pattern: /\bwho(so)?ever\b/, instead: 'name the actor: the client, the program, the old process' },
  { pattern: /\bnobody\b/, instead: 'name the actor: "no process", "no client", "the program does not"' },
  { pattern: /\bsomebody\b/, instead: 'name the actor: a process, a client, a user, another program' },
  { pattern: /\bof ours\b/, instead: 'name the owner: "of endless", "of the project"' },
  { pattern: /\bthe one before\b/, instead: 'say "predecessor" or "old process"' },

  // Parts that speak and listen.
  { pattern: /\b(hears?|heard)\b/, instead: 'a process receives a message; a client or a program gets one' },
  { pattern: /\bsays so\b/, instead: 'say what it reports: "logs it", "sends ready", "announces the close"' },
  { pattern: /\bwhat is said\b/, instead: 'say "message"' },
  { pattern: /\blast word\b/, instead: 'say "last message", or "wins over"' },
  { pattern: /\bwithout a word\b/, instead: 'say "silently", or "without a log line"' },
  { pattern: /\baloud\b/, instead: 'say that it is logged' },
  { pattern: /\b(farewells?|goodbyes?)\b/, instead: 'say "close notice"' },

  // Terms that have another name in docs/glossary.md.
  { pattern: /\bpassengers?\b/, instead: 'say "listening socket"' },
  { pattern: /\b(take|takes|took|taken|taking) (its|their) places? back\b/, instead: 'say "rolls back"' },
  { pattern: /\b(is|are|was|were|be|been) taken back\b/, instead: 'say "rolled back"' },
  { pattern: /\b(send|sends|sent) away\b/, instead: 'say "rolls back", or "stops the successor"' },
  { pattern: /\bat rest\b/, instead: 'say "idle"' },
  { pattern: /\b(wind|winds|winding|wound) down\b/, instead: 'say "drains"' },
  { pattern: /\bthe hammer\b|\bhammer(s|ing)\b/, instead: 'say "force-closes", or "the deadline"' },
  { pattern: /\b(let|lets|letting) go\b/, instead: 'say "releases"' },
  { pattern: /\b(do|does|did) not make it\b/, instead: 'say "failed to start"' },

  // Stock phrases.
  { pattern: /\bby and by\b/, instead: 'say "gradually"' },
  { pattern: /\bin (its|their) turn\b/, instead: 'leave it out, or say "too"' },
  { pattern: /\banew\b/, instead: 'say "again"' },
  { pattern: /\bshall\b/, instead: 'use the present tense, or "must"' },
  { pattern: /\bas ever\b/, instead: 'say "as before", or "unchanged"' },
  { pattern: /\bbe it\b/, instead: 'say "whether it is"' },
  { pattern: /\bno affair\b/, instead: 'say what it must not do' },

  // Negation by "none" and "no".
  { pattern: /\b(is|are|was|were) none\b/, instead: 'say "is invalid", "is missing" or "is not a ..."' },
  { pattern: /\bthat (is|are) no (?!longer\b|more\b)/, instead: 'say "that is not a ..."' },
];

/** Every phrase of the list in a text. The words of a phrase may stand on two lines. */
export function findingsIn(text: string): Finding[] {
  return PHRASES.flatMap(({ pattern, instead }) => {
    const across = new RegExp(pattern.source.replaceAll(' ', '\\s+'), 'gi');
    return [...text.matchAll(across)].map((match) => ({
      line: text.slice(0, match.index).split('\n').length,
      found: match[0].replaceAll(/\s+/g, ' '),
      instead,
    }));
  }).sort((one, other) => one.line - other.line);
}
