import type { View } from "../page";
export const statesView: View = { id: "states", mount: () => ({ table: () => ({ columns: [], rows: [] }) }) };
