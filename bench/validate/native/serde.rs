// serde_json into typed structs (made from the schema; unknown fields refused, no bounds). `driver.h` in Rust.
mod typed;

#[repr(C)]
struct Timespec {
    seconds: i64,
    nanoseconds: i64,
}

extern "C" {
    fn clock_gettime(clock: i32, time: *mut Timespec) -> i32; // std has no CPU clock, libc is linked anyway
}

fn cpu_ns() -> i64 {
    let mut now = Timespec { seconds: 0, nanoseconds: 0 };
    unsafe { clock_gettime(2, &mut now) }; // CLOCK_PROCESS_CPUTIME_ID on Linux
    now.seconds * 1_000_000_000 + now.nanoseconds
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let rounds: u64 = arguments[2].parse().unwrap();
    let documents: Vec<Vec<u8>> = arguments[3..].iter().map(|path| std::fs::read(path).unwrap()).collect();
    let mut valid = 0u64;
    let start = cpu_ns();
    for _ in 0..rounds {
        for document in &documents {
            let parsed: Result<typed::Root, _> = serde_json::from_slice(document);
            valid += u64::from(std::hint::black_box(parsed).is_ok());
        }
    }
    println!(
        "{{\"ns\": {}, \"documents\": {}, \"valid\": {}}}",
        cpu_ns() - start,
        rounds * documents.len() as u64,
        valid
    );
}
