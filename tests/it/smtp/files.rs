//! E-mail files, which are written while no mail server is set.

use crate::support::binary::TestFolder;
use crate::support::wait_until;

#[tokio::test(flavor = "multi_thread")]
async fn old_email_files_are_deleted_at_the_start() {
    for settings in ["", "email = { host = '127.0.0.1', port = 1, security = 'none' }"] {
        let folder = TestFolder::new();
        folder.configure(settings);
        std::fs::create_dir_all(folder.path("data/mail")).unwrap();
        let old = "data/mail/20240131T120000Z-1-reset_code.eml";
        folder.write(old, "Subject: an old code");
        folder.write("data/mail/notes.txt", "not an e-mail");
        let _server = folder.serve().await;
        wait_until("the old file is deleted", async || !folder.path(old).exists()).await;
        assert!(folder.path("data/mail/notes.txt").exists());
    }
}
