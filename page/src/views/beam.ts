import type { View } from "../page";
export const beamView: View = { id: "beam", mount: () => ({ table: () => ({ columns: [], rows: [] }) }) };
