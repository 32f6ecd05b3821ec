import { basename, extname } from 'node:path';
import { modelBytesLimit, parseModel, readLimited } from '../../model/load/model-files.js';
import { type DeclaredEnd, declaredEnds, tensorText } from '../../model/ports/ends.js';
import { looksOf } from '../../model/ports/looks.js';
import { isDecoded, type Looks, partsOf, UNKNOWN } from '../../model/ports/table-looks.js';
import { printable, printableJson } from '../../report/printable.js';

/**
 * Prints what an ONNX file takes and gives, what each of them looks like, and a manifest to start from.
 *
 * @throws {JobError} model or limit: when the file cannot be read, or is no model.
 */
export async function inspectModel(file: string, json: boolean): Promise<number> {
  const proto = parseModel(await readLimited(file, modelBytesLimit(process.env)), file);
  const ends = declaredEnds(proto.graph ?? {});
  const looks = looksOf(ends);
  const manifest = manifestOf(file, ends, looks);
  const told = (end: DeclaredEnd) => ({ ...end, looksLike: looks.get(end.name)?.what });
  if (json) {
    const found = { inputs: ends.inputs.map(told), outputs: ends.outputs.map(told), manifest };
    process.stdout.write(`${printableJson(found, 2)}\n`);
    return 0;
  }
  const width = Math.min(40, Math.max(...[...ends.inputs, ...ends.outputs].map(({ name }) => name.length)));
  const lines = (list: readonly DeclaredEnd[]) =>
    list.map(({ name, type, dims }) =>
      printable(`  ${name.padEnd(width)}  ${tensorText(type, dims)}, looks like ${looks.get(name)?.what}`),
    );
  const parts = partsOf(looks.values());
  const open = [...ends.inputs, ...ends.outputs].filter(
    ({ name }) => looks.get(name)?.lines === undefined && !parts.includes(name),
  );
  const pictures = ends.outputs.filter(({ name }) => looks.get(name)?.lines?.role === 'picture');
  const text = [
    ...['Inputs:', ...lines(ends.inputs), 'Outputs:', ...lines(ends.outputs), ''],
    printable(
      `A manifest to start from, for ${manifestName(file)} beside the file. Write what no graph tells in place of "${UNKNOWN}" (docs/model-manifests.md has the values):`,
    ),
    ...['', printableJson(manifest, 2)],
    ...(pictures.length > 1 ? ['', severalPictures(pictures)] : []),
    ...(open.length === 0 ? [] : ['', printable(`No role fits ${open.map(({ name }) => name).join(', ')}.`)]),
  ];
  process.stdout.write(`${text.join('\n')}\n`);
  return 0;
}

function manifestOf(
  file: string,
  { inputs, outputs }: { readonly inputs: readonly DeclaredEnd[]; readonly outputs: readonly DeclaredEnd[] },
  looks: ReadonlyMap<string, Looks>,
): object {
  const ports = (list: readonly DeclaredEnd[]) => {
    const found = list.flatMap(({ name }): [string, NonNullable<Looks['lines']>][] => {
      const lines = looks.get(name)?.lines;
      return lines === undefined ? [] : [[name, lines]];
    });
    // One table to start from: what else it needs goes with it.
    const tables = found.filter(([, lines]) => lines.role === 'table');
    const [table] = tables.find(([, lines]) => isDecoded(lines)) ?? tables[0] ?? [];
    const others = tables.map(([name]) => name).filter((name) => name !== table);
    const isWhole = looks.get(table ?? '')?.lines?.with !== undefined;
    return Object.fromEntries(
      found
        .filter(([name]) => !others.includes(name))
        .map(([name, lines]) => [
          name,
          name === table && others.length > 0 && !isWhole ? { ...lines, with: others } : lines,
        ]),
    );
  };
  const name = stem(file)
    .replace(/[^\w.-]/g, '-')
    .replace(/^[._-]+/, '')
    .slice(0, 64);
  return {
    format: 2,
    name: name === '' ? 'model' : name,
    file: basename(file),
    inputs: ports(inputs),
    outputs: ports(outputs),
  };
}

function severalPictures([first, second]: readonly DeclaredEnd[]): string {
  return printable(
    `OUTPUT is the first picture, ${first?.name}. --output ${second?.name}=FILE writes another to a video of its own; omit those that nobody needs.`,
  );
}

function stem(file: string): string {
  return basename(file, extname(file));
}

function manifestName(file: string): string {
  return `${stem(file)}.json`;
}
