import type { View } from "../page";
export const gatesView: View = { id: "gates", mount: () => ({ table: () => ({ columns: [], rows: [] }) }) };
