// Packed arrays of a trace: base64 of little-endian numbers, deflated where that is smaller.

/** The trace cannot be read; the message is for people. */
export class TraceError extends Error {}

export interface Packed {
  type: string;
  scale?: number;
  shape: number[];
  /** zlib over planes: the first bytes of all numbers, then the second ones, and so on */
  deflated?: boolean;
  /** base64, or the bytes themselves once they are inflated */
  data: string | Uint8Array;
}

const WIDTHS: Record<string, number> = { f16: 2, f32: 4, i32: 4, u8: 1, i8: 1 };

function widthOf(packed: Packed): number {
  const width = WIDTHS[packed.type];
  if (!width) throw new TraceError(`an array has the type ${packed.type}, which this page does not know`);
  return width;
}

function bytesOf(data: string | Uint8Array): Uint8Array {
  if (typeof data !== "string") return data;
  const text = atob(data);
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return bytes;
}

/** A deflated array as its plain bytes; others as they are. Never more bytes than the shape says. */
export async function inflate(packed: Packed): Promise<Packed> {
  if (!packed?.deflated) return packed;
  if (typeof DecompressionStream === "undefined") throw new TraceError("this browser cannot inflate the numbers of a trace; open it in a newer one");
  const width = widthOf(packed);
  const count = packed.shape.reduce((a, b) => a * b, 1);
  const damaged = new TraceError(`the trace is damaged (an array of ${packed.shape.join(" x ")} has other than ${count} values)`);
  const planes = new Uint8Array(count * width);
  let filled = 0;
  try {
    const reader = new Blob([bytesOf(packed.data) as BlobPart]).stream().pipeThrough(new DecompressionStream("deflate")).getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      if (filled + part.value.length > planes.length) {
        reader.cancel().catch(() => undefined);
        throw damaged;
      }
      planes.set(part.value, filled);
      filled += part.value.length;
    }
  } catch {
    throw damaged;
  }
  if (filled !== planes.length) throw damaged;
  const bytes = new Uint8Array(planes.length);
  for (let plane = 0; plane < width; plane++) for (let at = 0; at < count; at++) bytes[at * width + plane] = planes[plane * count + at];
  return { ...packed, deflated: false, data: bytes };
}

let halves: Float32Array | null = null;

/** All 65536 half-precision numbers. */
function halfTable(): Float32Array {
  if (halves) return halves;
  halves = new Float32Array(65536);
  for (let bits = 0; bits < 65536; bits++) {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    if (exponent === 31) halves[bits] = fraction ? NaN : sign * Infinity;
    else if (exponent === 0) halves[bits] = sign * fraction * 2 ** -24;
    else halves[bits] = sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  }
  return halves;
}

/** The numbers of a packed array which is not deflated: f16, f32, i32, u8 or i8, times its scale. */
export function unpack(packed: Packed): Float32Array {
  const width = widthOf(packed);
  const bytes = bytesOf(packed.data);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const scale = packed.scale ?? 1;
  const table = halfTable();
  const out = new Float32Array(bytes.length / width);
  for (let at = 0; at < out.length; at++) {
    const place = at * width;
    if (packed.type === "f16") out[at] = table[view.getUint16(place, true)];
    else if (packed.type === "f32") out[at] = view.getFloat32(place, true);
    else if (packed.type === "i32") out[at] = view.getInt32(place, true);
    else if (packed.type === "u8") out[at] = bytes[at];
    else out[at] = view.getInt8(place);
  }
  if (scale !== 1) for (let at = 0; at < out.length; at++) out[at] *= scale;
  return out;
}
