import type { View } from "../page";
export const corpusView: View = { id: "corpus", mount: () => ({ table: () => ({ columns: [], rows: [] }) }) };
