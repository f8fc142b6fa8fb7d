import { SyntaxKind } from 'typescript/unstable/ast';
import { createScanner } from 'typescript/unstable/ast/scanner';

/** What a person reads in a source file: its comments, the titles of its tests, and its other strings. */
export type Kind = 'comments' | 'titles' | 'strings';

/** The title of a test or of a group of tests. */
export interface Title {
  /** What registers it, such as `test` or `describe`. */
  call: string;
  /** Its text, with `…` for each value that a template puts in. */
  text: string;
}

interface Token {
  kind: SyntaxKind;
  text: string;
  start: number;
}

const CALLS = ['describe', 'it', 'longTest', 'register', 'rowTest', 'test'];
const COMMENTS = [SyntaxKind.SingleLineCommentTrivia, SyntaxKind.MultiLineCommentTrivia];
const SPACES = [SyntaxKind.WhitespaceTrivia, SyntaxKind.NewLineTrivia];
const STRINGS = [
  SyntaxKind.StringLiteral,
  SyntaxKind.NoSubstitutionTemplateLiteral,
  SyntaxKind.TemplateHead,
  SyntaxKind.TemplateMiddle,
  SyntaxKind.TemplateTail,
];
/** A slash behind one of these divides; behind anything else it begins a regular expression. */
const OPERANDS = [
  SyntaxKind.Identifier,
  SyntaxKind.NumericLiteral,
  SyntaxKind.StringLiteral,
  SyntaxKind.NoSubstitutionTemplateLiteral,
  SyntaxKind.TemplateTail,
  SyntaxKind.CloseParenToken,
  SyntaxKind.CloseBracketToken,
  SyntaxKind.CloseBraceToken,
  SyntaxKind.ThisKeyword,
];

/** The text of one kind, on the lines on which it stands in the source. Everything else is blank. */
export function textOf(source: string, kind: Kind): string {
  const shown = new Array<string>(source.length);
  for (let at = 0; at < source.length; at++) shown[at] = source[at] === '\n' ? '\n' : ' ';
  const show = ({ start, text }: Token) => {
    for (let at = 0; at < text.length; at++) shown[start + at] = text[at] as string;
  };
  const code: Token[] = [];
  for (const token of tokensOf(source)) {
    if (COMMENTS.includes(token.kind)) {
      // The stars and slashes at the start of a line would stand between the words of a phrase.
      const text = token.text.replaceAll(/^\s*(\/\*\*?|\*|\/\/)/gm, (edge) => ' '.repeat(edge.length));
      if (kind === 'comments') show({ ...token, text });
      continue;
    }
    if (STRINGS.includes(token.kind) && token.text.trim().includes(' ')) {
      if ((callOf(code) ? 'titles' : 'strings') === kind) show(token);
    }
    code.push(token);
  }
  return shown.join('');
}

/** The titles in a source file that are written out, in order. */
export function titlesOf(source: string): Title[] {
  const titles: Title[] = [];
  const code: Token[] = [];
  // How many templates are open: the title, and those within the values that it puts in.
  let open = 0;
  for (const token of tokensOf(source).filter(({ kind }) => !COMMENTS.includes(kind))) {
    const { kind, text } = token;
    const call = open === 0 && STRINGS.includes(kind) ? callOf(code) : undefined;
    if (call) titles.push({ call, text: contentOf(text) });
    else if (open === 1 && (kind === SyntaxKind.TemplateMiddle || kind === SyntaxKind.TemplateTail))
      (titles.at(-1) as Title).text += `…${contentOf(text)}`;
    if (kind === SyntaxKind.TemplateHead && (call || open > 0)) open += 1;
    if (kind === SyntaxKind.TemplateTail && open > 0) open -= 1;
    code.push(token);
  }
  return titles;
}

/** What a string, or a part of a template, contains. */
function contentOf(text: string): string {
  return text.replaceAll(/^['"`}]|(?:['"`]|\$\{)$/g, '').replaceAll(/\\(.)/g, '$1');
}

/** The function whose title the next token is: `test` for the first argument of `test`, `test.each(...)` and the like. */
function callOf(before: readonly Token[]): string | undefined {
  let at = before.length - 1;
  if (before[at]?.kind !== SyntaxKind.OpenParenToken) return undefined;
  at -= 1;
  if (before[at]?.kind === SyntaxKind.CloseParenToken) {
    for (let depth = 0; at >= 0; at--) {
      if (before[at]?.kind === SyntaxKind.CloseParenToken) depth += 1;
      if (before[at]?.kind === SyntaxKind.OpenParenToken && --depth === 0) break;
    }
    at -= 1;
  }
  while (before[at - 1]?.kind === SyntaxKind.DotToken) at -= 2;
  const call = before[at]?.text ?? '';
  return CALLS.includes(call) ? call : undefined;
}

/** All tokens of a file but spaces, comments among them. */
function tokensOf(source: string): Token[] {
  const scanner = createScanner(/* skipTrivia */ false);
  scanner.setText(source);
  const tokens: Token[] = [];
  // For each template that is open, how many braces are open within its `${...}`.
  const braces: number[] = [];
  let before = SyntaxKind.Unknown;
  for (let kind = scanner.scan(); kind !== SyntaxKind.EndOfFile; kind = scanner.scan()) {
    if (kind === SyntaxKind.CloseBraceToken && braces.at(-1) === 0) {
      kind = scanner.reScanTemplateToken(false);
      if (kind === SyntaxKind.TemplateTail) braces.pop();
    } else if (kind === SyntaxKind.TemplateHead) braces.push(0);
    else if (braces.length > 0) {
      const open = braces.length - 1;
      if (kind === SyntaxKind.OpenBraceToken) braces[open] = (braces[open] as number) + 1;
      if (kind === SyntaxKind.CloseBraceToken) braces[open] = (braces[open] as number) - 1;
    }
    const slash = kind === SyntaxKind.SlashToken || kind === SyntaxKind.SlashEqualsToken;
    if (slash && !OPERANDS.includes(before)) kind = scanner.reScanSlashToken();
    if (SPACES.includes(kind)) continue;
    tokens.push({ kind, text: scanner.getTokenText(), start: scanner.getTokenStart() });
    if (!COMMENTS.includes(kind)) before = kind;
  }
  return tokens;
}
