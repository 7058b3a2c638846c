export async function originalAddress() { return null; }
