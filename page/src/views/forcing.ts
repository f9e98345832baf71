import type { View } from "../page";
export const forcingView: View = { id: "forcing", mount: () => ({ table: () => ({ columns: [], rows: [] }) }) };
