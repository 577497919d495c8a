/**
 * The figures to take away: a table for spreadsheets, or all of them as JSON.
 *
 * Contract: pure but for `save`. A row of the table is what one person had of one day; no cell is read as a formula.
 */

const COLUMNS = ["prompts", "turns", "duration_s", "input_tokens", "output_tokens", "cost_usd"];

function cell(value) {
  const text = String(value ?? "");
  const plain = /^[=+\-@\t\r]/.test(text) && typeof value === "string" ? `'${text}` : text;
  return /[",\r\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
}

/** The shares as comma-separated values (RFC 4180). */
export function toCsv(found) {
  const known = new Map(found.people.map(({ author }) => [author?.id ?? null, author]));
  const rows = found.shares.map((share) => {
    const author = known.get(share.author_id);
    return [share.day, share.author_id, author?.name, author?.kind, ...COLUMNS.map((name) => share[name])];
  });
  return [["day", "author_id", "author", "kind", ...COLUMNS], ...rows].map((row) => `${row.map(cell).join(",")}\n`).join("");
}

/** Have the browser save a text as a file. */
export function save(name, kind, text) {
  const address = URL.createObjectURL(new Blob([text], { type: kind }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  URL.revokeObjectURL(address);
}
