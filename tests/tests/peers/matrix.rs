//! Every client with every server: one session that does all the pair can, with payloads of 1 and 8 MiB, and then many
//! sessions at once.

macro_rules! every_server {
    ($($name:ident: $client:expr,)*) => {$(
        mod $name {
            #[allow(unused_imports, reason = "only the clients of both eras have a mode")]
            use crate::pairs::client::{Client, Mode::{Auto, Legacy, Modern}};
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
    python_2_auto: Client::Python2(Auto),
    python_2_legacy: Client::Python2(Legacy),
    python_2_modern: Client::Python2(Modern),
    typescript_1: Client::TypeScript1,
    typescript_2_auto: Client::TypeScript2(Auto),
    typescript_2_legacy: Client::TypeScript2(Legacy),
    typescript_2_modern: Client::TypeScript2(Modern),
}

macro_rules! every_server_inspected {
    ($($name:ident: $era:expr,)*) => {$(
        mod $name {
            use crate::pairs::MIB;
            use crate::pairs::inspector::{Era, inspect};
            use crate::pairs::local::{BothEras, Everything, Filesystem, Git, Memory, Time};

            every_server_inspected!(@pair everything, $era, &Everything);
            every_server_inspected!(@pair filesystem, $era, &Filesystem::new());
            every_server_inspected!(@pair memory, $era, &Memory::new());
            every_server_inspected!(@pair git, $era, &Git::new());
            every_server_inspected!(@pair time, $era, &Time);
            every_server_inspected!(@pair both_eras, $era, &BothEras);
        }
    )*};
    (@pair $one:ident, $era:expr, $local:expr) => {
        #[tokio::test]
        #[ignore = "one of all pairs: make test-all"]
        async fn $one() {
            inspect($era, $local, &[MIB, 8 * MIB]).await;
        }
    };
}

every_server_inspected! {
    inspector_auto: Era::Auto,
    inspector_legacy: Era::Legacy,
    inspector_modern: Era::Modern,
}

#[tokio::test]
#[ignore = "one of all pairs: make test-all"]
async fn an_answer_beyond_the_default_limit_is_an_error_and_the_session_goes_on() {
    use crate::pairs::client::Client;
    use crate::pairs::local::Filesystem;

    crate::pairs::meet_the_limit(Client::TypeScript1, &Filesystem::new()).await;
}
