import type { View } from "../page";
export const whatifView: View = { id: "whatif", mount: () => ({ table: () => ({ columns: [], rows: [] }) }) };
