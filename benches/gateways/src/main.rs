//! Measures gateways beside one another, on one machine, before one provider that costs nothing.
//!
//! `gateways run ROUTER_BINARY FOLDER [NAME...]` prints the tables; FOLDER is where install.sh installed the others.
//! `gateways provider PORT` and `gateways forward PORT URL` are what it starts.

mod forward;
mod load;
mod provider;
mod run;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["provider", port] => provider::serve(port).await,
        ["forward", port, url] => forward::serve(port, url).await,
        ["run", router, folder, names @ ..] => run::all(router, folder, names).await,
        _ => eprintln!("usage: gateways run ROUTER_BINARY FOLDER [NAME...]"),
    }
}
