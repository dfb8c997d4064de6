// Makes a screenshot small: a palette of its 256 commonest colours, to which the few
// others, in the edges of letters, go by the nearest.

import { crc32, deflateSync, inflateSync } from 'node:zlib';

export function smaller(png: Buffer): Buffer {
  const { width, height, rows } = decode(png);
  const often = new Map<number, number>();
  for (const row of rows) {
    for (let x = 0; x < width; x++) {
      const colour = row.readUIntBE(x * 3, 3);
      often.set(colour, (often.get(colour) ?? 0) + 1);
    }
  }
  const kept = [...often].sort((a, b) => b[1] - a[1] || a[0] - b[0]).slice(0, 256).map(([colour]) => colour);
  const index = new Map(kept.map((colour, i) => [colour, i]));
  const palette = Buffer.alloc(kept.length * 3);
  kept.forEach((colour, i) => palette.writeUIntBE(colour, i * 3, 3));
  const lines = rows.map((row) => {
    const line = Buffer.alloc(width + 1);
    for (let x = 0; x < width; x++) {
      const colour = row.readUIntBE(x * 3, 3);
      const found = index.get(colour) ?? nearest(colour, kept);
      index.set(colour, found);
      line[x + 1] = found;
    }
    return line;
  });
  return write(width, height, Buffer.concat(lines), palette);
}

function nearest(colour: number, kept: number[]): number {
  let best = 0;
  let least = Infinity;
  kept.forEach((other, i) => {
    const apart = [16, 8, 0].reduce((sum, shift) => sum + (((colour >> shift) & 255) - ((other >> shift) & 255)) ** 2, 0);
    if (apart < least) [best, least] = [i, apart];
  });
  return best;
}

const at = (row: Buffer, i: number) => (i < 0 ? 0 : (row[i] ?? 0));

function predicted(filter: number, left: number, above: number, corner: number): number {
  if (filter === 1) return left;
  if (filter === 2) return above;
  if (filter === 3) return (left + above) >> 1;
  if (filter !== 4) return 0;
  const guess = left + above - corner;
  const [a, b, c] = [Math.abs(guess - left), Math.abs(guess - above), Math.abs(guess - corner)];
  return a <= b && a <= c ? left : b <= c ? above : corner;
}

function decode(png: Buffer): { width: number; height: number; rows: Buffer[] } {
  const width = png.readUInt32BE(16);
  const height = png.readUInt32BE(20);
  const depth = png[25] === 6 ? 4 : 3;
  const parts: Buffer[] = [];
  for (let i = 8; i < png.length; i += 12 + png.readUInt32BE(i)) {
    if (png.toString('latin1', i + 4, i + 8) === 'IDAT') parts.push(png.subarray(i + 8, i + 8 + png.readUInt32BE(i)));
  }
  const data = inflateSync(Buffer.concat(parts));
  const size = width * depth;
  let above: Buffer = Buffer.alloc(size);
  const rows = Array.from({ length: height }, (_, y) => {
    const filter = data[y * (size + 1)] ?? 0;
    const row = Buffer.from(data.subarray(y * (size + 1) + 1, (y + 1) * (size + 1)));
    for (let i = 0; i < size; i++) {
      row[i] = (at(row, i) + predicted(filter, at(row, i - depth), at(above, i), at(above, i - depth))) & 255;
    }
    above = row;
    return row;
  });
  return { width, height, rows: rows.map((row) => (depth === 3 ? row : row.filter((_, i) => i % 4 !== 3)) as Buffer) };
}

function write(width: number, height: number, lines: Buffer, palette: Buffer): Buffer {
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head[8] = 8;
  head[9] = 3;
  return Buffer.concat([
    Buffer.from('89504e470d0a1a0a', 'hex'),
    chunk('IHDR', head),
    chunk('PLTE', palette),
    chunk('IDAT', deflateSync(lines, { level: 9, memLevel: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(name: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(name, 'latin1'), data]);
  const ends = Buffer.alloc(8);
  ends.writeUInt32BE(data.length, 0);
  ends.writeUInt32BE(crc32(body), 4);
  return Buffer.concat([ends.subarray(0, 4), body, ends.subarray(4)]);
}
