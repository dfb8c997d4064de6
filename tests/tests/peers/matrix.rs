//! Every client with every server: one session that does all the pair can, with payloads of 1 and 8 MiB, and then many
//! sessions at once.

macro_rules! every_server {
    ($($name:ident: $client:expr,)*) => {$(
        mod $name {
            use crate::pairs::client::{Client, Mode};
            use crate::pairs::local::{BothEras, Everything, Filesystem, Git, Memory, Time};
            use crate::pairs::{MIB, crowd, meet};

            const SIZES: [usize; 2] = [MIB, 8 * MIB];
            const CLIENT: Client = $client;

            every_server!(@pair everything, many_with_everything, &Everything);
            every_server!(@pair filesystem, many_with_filesystem, &Filesystem::new());
            every_server!(@pair memory, many_with_memory, &Memory::new());
            every_server!(@pair git, many_with_git, &Git::new());
            every_server!(@pair time, many_with_time, &Time);
            every_server!(@pair both_eras, many_with_both_eras, &BothEras);
        }
    )*};
    (@pair $one:ident, $many:ident, $local:expr) => {
        #[tokio::test]
        #[ignore = "one of all pairs: make test-all"]
        async fn $one() {
            meet(CLIENT, $local, &SIZES).await;
        }

        #[tokio::test]
        #[ignore = "one of all pairs: make test-all"]
        async fn $many() {
            crowd(CLIENT, $local).await;
        }
    };
}

every_server! {
    python_1: Client::Python1,
    python_2_auto: Client::Python2(Mode::Auto),
    python_2_legacy: Client::Python2(Mode::Legacy),
    python_2_modern: Client::Python2(Mode::Modern),
    typescript_1: Client::TypeScript1,
    typescript_2_auto: Client::TypeScript2(Mode::Auto),
    typescript_2_legacy: Client::TypeScript2(Mode::Legacy),
    typescript_2_modern: Client::TypeScript2(Mode::Modern),
}
