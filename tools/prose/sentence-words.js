// A rule of textlint: one idea a sentence. Inline code counts as one word. Tables are left out:
// their cells are no paragraphs.
import { StringSource } from "textlint-util-to-string";

const MAX = 25;
const SENTENCES = new Intl.Segmenter("en", { granularity: "sentence" });
const WORD = /\S*[\p{L}\p{N}]\S*/gu;

export default function ({ Syntax, RuleError, getSource, locator, report }) {
  return {
    [Syntax.Paragraph](paragraph) {
      const source = new StringSource(paragraph, {
        replacer: ({ node, maskValue }) => (node.type === Syntax.Code ? maskValue("X") : undefined),
      });
      const text = source.toString().replaceAll("\n", " "); // the segmenter ends sentences at lines
      for (const { segment, index } of SENTENCES.segment(text)) {
        const words = segment.match(WORD)?.length ?? 0;
        if (words <= MAX) continue;
        const start = source.originalIndexFromIndex(index);
        const beginning = getSource(paragraph).slice(start, start + 40);
        report(
          paragraph,
          new RuleError(`${words} words, more than ${MAX}: "${beginning}…"`, {
            padding: locator.at(start),
          }),
        );
      }
    },
  };
}
