fn main() {
    for arg in std::env::args().skip(1) {
        match logitscope::formats::open(std::path::Path::new(&arg)) {
            Ok(m) => {
                println!(
                    "{} {} {} params {} special {:?} warnings {:?}",
                    m.name, m.path, m.family, m.parameters, m.special, m.warnings
                );
                println!("{:?}", m.config.layers[0]);
                let plan = logitscope::model::plan_decoder(&m.config);
                println!("bind {:?}", plan.bind(m.weights.tensors()).map(|b| b.len()));
            }
            Err(e) => println!("error: {e}"),
        }
    }
}
