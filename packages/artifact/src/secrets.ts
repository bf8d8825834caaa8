/** Bytes around a mark that decide whether it is a secret, to each side. */
const REACH = 1024;

/** Bytes that are searched for marks at once. */
const AT_ONCE = 32 * 1024;

/** Names that say what is in the file. Tested against the path, so that folders may take part. */
const SECRET_FILES: readonly (readonly [RegExp, string])[] = [
  [/(^|\/)\.env(rc|\..+)?$/i, "it is an environment file"],
  [/(^|\/)id_(rsa|dsa|ecdsa|ecdsa_sk|ed25519|ed25519_sk)$/, "it is a private SSH key"],
  [/(^|\/)[._]netrc$/, "it holds passwords of netrc"],
  [/(^|\/)\.pgpass$/, "it holds passwords of PostgreSQL"],
  [/(^|\/)\.my\.cnf$/, "it holds passwords of MySQL"],
  [/(^|\/)\.pypirc$/, "it holds passwords of PyPI"],
  [/(^|\/)\.git-credentials$/, "it holds passwords of git"],
  [/(^|\/)\.aws\/credentials$/, "it holds keys of AWS"],
  [/(^|\/)\.docker\/config\.json$/, "it holds passwords of registries"],
  [/(^|\/)\.kube\/config$/, "it holds keys of Kubernetes"],
  [/(^|\/)credentials\.json$/, "it is a file of credentials"],
  [/\.kdbx$/i, "it is a password store"],
  [/\.(p12|pfx|ppk)$/i, "it is a store of private keys"],
  [/\.tfstate$/, "it is a state file of Terraform, which holds secrets"],
];

/** `.env.example` and the like hold names, not values. */
const SAMPLE = /\.(example|sample|template)$/i;

/** An access key id alone is public; the one that the manuals of AWS use is not a key. */
const AWS_ID = "(?<![A-Z0-9])A[KS]IA(?!IOSFODNN7EXAMPLE)[A-Z2-7]{16}(?![A-Z0-9])";
const AWS_SECRET =
  "(?:secret|Secret|SECRET)[\\w\"' -]{0,30}[:=]\\s*[\"']?[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])";

/** Marks that a fast search finds, by the kind of secret, and the expression that decides around them. */
const SECRET_TEXTS: readonly SecretText[] = [
  {
    marks: ["PRIVATE KEY"],
    // A body must follow: programs and manuals name the line alone. Line ends may be escaped (JSON).
    pattern:
      /-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----(?:[\s"'+]|\\[rn])+(?:[A-Za-z-]+: [^\r\n\\]*(?:\s|\\[rn])+)*[A-Za-z0-9+/=]{40}/,
    reason: "it holds a private key",
  },
  {
    marks: ["AKIA", "ASIA"],
    pattern: new RegExp(`${AWS_ID}[^]{0,300}?${AWS_SECRET}|${AWS_SECRET}[^]{0,300}?${AWS_ID}`),
    reason: "it holds an access key of AWS",
  },
  {
    marks: ["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"],
    pattern:
      /(?<!\w)(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59})(?!\w)/,
    reason: "it holds a token of GitHub",
  },
  {
    marks: ["glpat-"],
    pattern: /(?<!\w)glpat-[\w-]{20,}/,
    reason: "it holds a token of GitLab",
  },
  {
    marks: ["npm_"],
    pattern: /(?<!\w)npm_[A-Za-z0-9]{36}(?!\w)/,
    reason: "it holds a token of npm",
  },
  {
    marks: ["xox"],
    pattern: /(?<!\w)xox[abeoprs]-\d{8,}-[\w-]{16,}/,
    reason: "it holds a token of Slack",
  },
  {
    marks: ["k_live_"],
    pattern: /(?<!\w)[rs]k_live_[A-Za-z0-9]{24,}/,
    reason: "it holds a key of Stripe",
  },
  {
    marks: ["AGE-SECRET-KEY-1"],
    pattern: /AGE-SECRET-KEY-1[0-9A-Z]{58}/,
    reason: "it holds a private key of age",
  },
];

/** Only in files of this name: elsewhere the words are too common. */
const NPMRC: SecretText = {
  marks: ["_auth", "_password"],
  pattern: /(?:_authToken|_auth|_password)\s*=\s*["']?(?!\$\{)[^\s"'$]/,
  reason: "it holds a token of npm",
};

/** What to look for in a file, and one expression that finds all marks of it in a single pass. */
interface SecretTexts {
  readonly texts: readonly SecretText[];
  readonly mark: RegExp;
  /** Characters of the longest mark. */
  readonly longest: number;
}

const ANYWHERE = withMark(SECRET_TEXTS);
const IN_NPMRC = withMark([...SECRET_TEXTS, NPMRC]);

interface SecretText {
  /** Of letters, digits, `_`, `-` and spaces. */
  readonly marks: readonly string[];
  readonly pattern: RegExp;
  readonly reason: string;
}

/** Looks at the bytes of one file as they pass by. */
export interface SecretScan {
  update(piece: Uint8Array): void;
  /** Half a sentence about the first secret found; undefined while there is none. */
  reason(): string | undefined;
}

/** Why a file is a secret by its name alone; undefined when it is not. */
export function secretName(path: string): string | undefined {
  if (SAMPLE.test(path)) return undefined;
  return SECRET_FILES.find(([pattern]) => pattern.test(path))?.[1];
}

/**
 * Scans the text of a file for secrets of well-known shape, also across pieces.
 *
 * @param path - Decides which rules apply.
 * @param size - Bytes of the file, where they are known: if a piece is all of it, nothing is kept for the next.
 */
export function secretScan(path: string, size: number = Infinity): SecretScan {
  const texts = /(^|\/)\.npmrc$/.test(path) ? IN_NPMRC : ANYWHERE;
  let tail: Buffer = Buffer.alloc(0);
  let found: string | undefined;

  return {
    reason: () => found,
    update(piece) {
      if (found !== undefined) return;
      const bytes = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
      if (bytes.length === size) {
        found = reasonIn(bytes, texts);
        return;
      }
      const seam = Buffer.concat([tail, bytes.subarray(0, 2 * REACH)]);
      found = reasonIn(bytes, texts) ?? reasonIn(seam, texts);
      // A copy: whoever gave the piece may use its memory again.
      tail = Buffer.concat([tail, bytes.subarray(-2 * REACH)]).subarray(-2 * REACH);
    },
  };
}

function withMark(texts: readonly SecretText[]): SecretTexts {
  const marks = texts.flatMap((text) => text.marks);
  const longest = Math.max(...marks.map(({ length }) => length));
  return { texts, mark: new RegExp(marks.join("|")), longest };
}

function reasonIn(bytes: Buffer, { texts, mark, longest }: SecretTexts): string | undefined {
  for (let at = 0; at < bytes.length; at += AT_ONCE) {
    const text = bytes.toString("latin1", at, at + AT_ONCE + longest);
    if (mark.test(text)) return texts.find((each) => holds(bytes, each))?.reason;
  }
  return undefined;
}

function holds(bytes: Buffer, { marks, pattern }: SecretText): boolean {
  return marks.some((mark) => {
    for (let at = bytes.indexOf(mark); at !== -1; at = bytes.indexOf(mark, at + mark.length)) {
      const around = bytes.toString("latin1", Math.max(at - REACH, 0), at + REACH);
      if (pattern.test(around)) return true;
    }
    return false;
  });
}
