//! Listings come in pages; a command shows them as one list.

use tonic::Status;

/// Items of one page; as many as the API gives.
pub(crate) const PAGE_SIZE: u32 = 1_000;

/// A page: its items, and the token of the next, empty behind the last.
pub(crate) type Page<T> = (Vec<T>, String);

/// All items, asked for page by page with the token of each.
pub(crate) async fn all<T>(mut page: impl AsyncFnMut(String) -> Result<Page<T>, Status>) -> Result<Vec<T>, Status> {
    let (mut all, mut token) = (Vec::new(), String::new());
    loop {
        let (items, next) = page(token).await?;
        all.extend(items);
        if next.is_empty() {
            return Ok(all);
        }
        token = next;
    }
}
