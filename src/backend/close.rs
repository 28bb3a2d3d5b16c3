//! `close:` closes every session. (sockjs-protocol, the `/close` service)

use crate::registry::Connection;

pub(super) async fn serve(connection: Connection) {
    connection.close(3000, "Go away!");
}
