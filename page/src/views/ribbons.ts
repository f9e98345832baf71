import type { View } from "../page";
export const ribbonsView: View = { id: "ribbons", mount: () => ({ table: () => ({ columns: [], rows: [] }) }) };
