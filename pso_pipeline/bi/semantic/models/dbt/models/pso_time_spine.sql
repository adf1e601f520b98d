SELECT * FROM {{ source('pso_bi', 'dim_dates') }}
