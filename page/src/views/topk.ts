import type { View } from "../page";
export const topkView: View = { id: "topk", mount: () => ({ table: () => ({ columns: [], rows: [] }) }) };
